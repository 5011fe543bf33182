--- Ghost text through extmarks of our own, for Neovim 0.10 and 0.11: asks after every key, the server decides how long to wait.
local calls = require('codecompose.client')
local Suggestion = require('codecompose.suggestion')

local M = {}

local INVOKED, AUTOMATIC = 1, 2
local namespace = vim.api.nvim_create_namespace('codecompose')

---@type table<integer, { client: vim.lsp.Client, on_drawn: fun(suggestion: codecompose.Suggestion?), request: integer? }>
local attached = {}

---@param suggestion codecompose.Suggestion
local function draw(suggestion)
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  local rest = suggestion:rest() or ''
  -- What is to be replaced is on the screen already: a closing bracket that stands behind the cursor.
  if suggestion.replaced ~= '' and vim.endswith(rest, suggestion.replaced) then
    rest = rest:sub(1, -1 - #suggestion.replaced)
  end
  local lines = vim.tbl_map(function(line)
    return { { line, 'CodeComposeGhost' } }
  end, vim.split(rest, '\n'))
  vim.api.nvim_buf_set_extmark(suggestion.buf, namespace, row - 1, column, {
    virt_text = lines[1],
    virt_text_pos = 'inline',
    virt_lines = vim.list_slice(lines, 2),
    hl_mode = 'combine',
  })
end

local function cancel(state)
  if state.request then
    calls.cancel(state.client, state.request)
    state.request = nil
  end
end

local function ask(buf, state, kind)
  local position = vim.lsp.util.make_position_params(0, state.client.offset_encoding)
  local place = Suggestion.place(buf)
  local params = vim.tbl_extend('error', position, { context = { triggerKind = kind } })
  local sent, id
  sent, id = calls.request(state.client, 'textDocument/inlineCompletion', params, function(err, result)
    state.request = state.request ~= id and state.request or nil
    if err or not vim.deep_equal(Suggestion.place(buf), place) then
      return
    end
    M.redraw(buf, result and (result.items or result) or {})
  end, buf)
  state.request = sent and id or nil
end

---@param client vim.lsp.Client
---@param buf integer
---@param on_drawn fun(suggestion: codecompose.Suggestion?)
function M.attach(client, buf, on_drawn)
  attached[buf] = { client = client, on_drawn = on_drawn }
  if vim.startswith(vim.api.nvim_get_mode().mode, 'i') and vim.api.nvim_get_current_buf() == buf then
    ask(buf, attached[buf], AUTOMATIC)
  end
end

--- Draw the first of these items.
---@param items table[]
function M.redraw(buf, items)
  M.hide(buf)
  local state = attached[buf]
  local suggestion = items[1] and Suggestion.new(items, state.client, buf)
  if suggestion then
    draw(suggestion)
  end
  state.on_drawn(suggestion)
end

--- Ask now, for what would not show up by itself, too.
function M.ask(_, buf)
  M.hide(buf)
  ask(buf, attached[buf], INVOKED)
end

--- Redraw what still stands, and ask for what comes now.
---@param buf integer
---@param suggestion codecompose.Suggestion?
function M.follow(buf, suggestion)
  M.hide(buf)
  if suggestion then
    draw(suggestion)
  end
  ask(buf, attached[buf], AUTOMATIC)
end

---@param buf integer
function M.hide(buf)
  if attached[buf] then
    cancel(attached[buf])
  end
  vim.api.nvim_buf_clear_namespace(buf, namespace, 0, -1)
end

return M
