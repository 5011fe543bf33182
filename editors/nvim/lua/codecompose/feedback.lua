--- What the user thinks of the suggestion shown last or, in the split with an answer, of the assistant.
local calls = require('codecompose.client')

local M = {}

local PROMPT = { up = 'What was good? (may be empty) ', down = 'What was wrong? (may be empty) ' }

---@param message string
local function complain(message)
  vim.notify('CodeCompose LS: ' .. message, vim.log.levels.ERROR)
end

---@param client vim.lsp.Client
---@param buf integer
---@param given { rating: string, comment: string, about: string, assistant: string? }
local function send(client, buf, given)
  local told = vim.tbl_extend('error', given, { item = vim.NIL, uri = vim.uri_from_bufnr(buf) })
  calls.execute(client, { command = 'codecompose.feedback', arguments = { told } }, function(err, result)
    if err then
      return complain(err.message)
    end
    vim.notify('CodeCompose: ' .. result.message)
  end, buf)
end

--- Tell the server; without a comment ask for one, where Escape tells nothing.
---@param rating string 'up' or 'down'
---@param comment string
function M.give(rating, comment)
  if not PROMPT[rating] then
    return complain("say ':CodeCompose feedback up' or ':CodeCompose feedback down', and why if you like")
  end
  local buf = vim.api.nvim_get_current_buf()
  local answer = require('codecompose.assist').answer(buf)
  local client = answer and answer.client or vim.lsp.get_clients({ name = 'codecompose', bufnr = buf })[1]
  if not client then
    return complain('the server does not run for this buffer; see :checkhealth codecompose')
  end
  local given = { rating = rating, about = answer and 'assistant' or 'suggestion', assistant = answer and answer.name or '' }
  if comment ~= '' then
    return send(client, answer and answer.buf or buf, vim.tbl_extend('error', given, { comment = comment }))
  end
  vim.ui.input({ prompt = PROMPT[rating] }, function(written)
    if written then
      send(client, answer and answer.buf or buf, vim.tbl_extend('error', given, { comment = written }))
    end
  end)
end

return M
