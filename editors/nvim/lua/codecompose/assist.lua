--- Assistants: asks the server for one, writes its answer into the panel as it comes, cancels it.
local calls = require('codecompose.client')
local panel = require('codecompose.panel')

local M = {}

---@class codecompose.Run
---@field client vim.lsp.Client
---@field name string
---@field buf integer of the code
---@field token string that the pieces of the answer come with
---@field request integer?

--- The answer that is coming; there is one panel, so there is one at a time.
---@type codecompose.Run?
local running
--- The answer that the split shows, or showed last.
---@type codecompose.Run?
local latest
local count = 0

local function complain(message)
  vim.notify('CodeCompose LS: ' .. message, vim.log.levels.ERROR)
end

--- Stop the answer that is coming.
function M.cancel()
  local run = running
  if run then
    running = nil
    if run.request then
      calls.cancel(run.client, run.request)
    end
    panel.head(run.name .. ': cancelled')
    vim.cmd.redrawstatus()
  end
end

---@param run codecompose.Run
local function finish(run, err, result)
  if running ~= run then
    return
  end
  running = nil
  vim.cmd.redrawstatus()
  if err then
    panel.head(run.name .. ': no answer')
    return panel.note('**Error:** ' .. err.message)
  end
  if panel.is_empty() then
    panel.append(result.markdown)
  end
  local outcome = result.applied and ': applied' or result.refusal ~= '' and ': not applied' or ''
  panel.head(('%s, by %s%s'):format(result.title, result.madeBy, outcome))
  if result.applied then
    panel.note('**Applied.**')
  elseif result.refusal ~= '' then
    panel.note('**Not applied:** ' .. result.refusal .. '.')
  end
end

--- Run the command `codecompose.assist`, as of a code action.
---@param argument { name: string, uri: string, range: lsp.Range, version: integer? }
function M.run(client, argument, buf)
  M.cancel()
  count = count + 1
  local run = { client = client, name = argument.name, buf = buf, token = 'codecompose-' .. count }
  running, latest = run, run
  panel.open(argument.name .. ' … (q cancels)', M.cancel)
  local told = vim.tbl_extend('force', argument, { partialResultToken = run.token })
  local sent, id = calls.execute(client, { command = 'codecompose.assist', arguments = { told } }, function(err, result)
    finish(run, err, result)
  end, buf)
  run.request = id
  if not sent then
    finish(run, { message = 'the server does not run' })
  end
end

--- A piece of an answer has come.
---@param params { token: string|integer, value: { text: string } }
function M.progress(params)
  if running and params.token == running.token then
    panel.append(params.value.text)
  end
end

--- The server is gone, and so is what it was about to say.
function M.lost(client_id)
  if running and running.client.id == client_id then
    finish(running, { message = 'the server has stopped' })
  end
end

--- The assistant whose answer is coming.
---@return string?
function M.running()
  return running and running.name
end

--- The answer that a buffer shows.
---@param buf integer
---@return codecompose.Run?
function M.answer(buf)
  return panel.is(buf) and latest or nil
end

--- What checkers report in some lines, 0-based, as LSP has it.
local function diagnostics(client, buf, first, last)
  local found = {}
  local function position(line, column)
    local text = vim.api.nvim_buf_get_lines(buf, line, line + 1, false)[1] or ''
    return { line = line, character = calls.units(client, text:sub(1, column)) }
  end
  for _, one in ipairs(vim.diagnostic.get(buf)) do
    local end_line, end_column = one.end_lnum or one.lnum, one.end_col or one.col
    if one.lnum <= last and end_line >= first then
      local range = { start = position(one.lnum, one.col), ['end'] = position(end_line, end_column) }
      found[#found + 1] = { range = range, message = one.message, source = one.source, severity = one.severity }
    end
  end
  return found
end

--- The lines of a command's range; without one the place of the cursor, which means the function around it.
local function place(client, buf, lines)
  if not lines then
    local position = vim.lsp.util.make_position_params(0, client.offset_encoding).position
    return { start = position, ['end'] = position }
  end
  local last = vim.api.nvim_buf_get_lines(buf, lines[2] - 1, lines[2], false)[1]
  return {
    start = { line = lines[1] - 1, character = 0 },
    ['end'] = { line = lines[2] - 1, character = calls.units(client, last) },
  }
end

--- The server of the current buffer; complains where there is none.
local function here()
  local buf = vim.api.nvim_get_current_buf()
  local client = vim.lsp.get_clients({ name = 'codecompose', bufnr = buf })[1]
  if not client then
    complain('the server does not run for this buffer; see :checkhealth codecompose')
  end
  return client, buf
end

--- Ask an assistant about lines, or about the function at the cursor.
---@param name string
---@param lines? { [1]: integer, [2]: integer } the first and the last, from 1
function M.ask(name, lines)
  local client, buf = here()
  if client then
    local range = place(client, buf, lines)
    M.run(client, {
      name = name,
      uri = vim.uri_from_bufnr(buf),
      range = range,
      version = vim.lsp.util.buf_versions[buf],
      diagnostics = diagnostics(client, buf, range.start.line, range['end'].line),
    }, buf)
  end
end

---@class codecompose.Assistant
---@field name string
---@field title string
---@field kind 'show'|'edit'
---@field disabled string why it cannot be asked now, or empty

--- Let the user choose an assistant, and ask it.
---@param lines? { [1]: integer, [2]: integer }
function M.choose(lines)
  local client, buf = here()
  if not client then
    return
  end
  calls.execute(client, M.listing(buf), function(err, assistants)
    if err then
      return complain(err.message)
    end
    vim.ui.select(assistants, {
      prompt = 'Ask an assistant:',
      kind = 'codecompose.assistant',
      format_item = function(one)
        return one.disabled == '' and one.title or ('%s (not now: %s)'):format(one.title, one.disabled)
      end,
    }, function(one)
      if one and one.disabled ~= '' then
        complain(one.disabled)
      elseif one then
        M.ask(one.name, lines)
      end
    end)
  end, buf)
end

--- The command that lists the assistants for a buffer.
function M.listing(buf)
  return { command = 'codecompose.assistants', arguments = { { uri = vim.uri_from_bufnr(buf) } } }
end

--- The assistants for a buffer; none if the server takes longer than a time in milliseconds.
---@return codecompose.Assistant[]
function M.list(client, buf, timeout)
  local answer = calls.request_sync(client, 'workspace/executeCommand', M.listing(buf), timeout, buf)
  return answer and answer.result or {}
end

return M
