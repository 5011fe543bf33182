--- The suggestion on the screen: follows the keys, takes it whole or in parts, lets it go.
---
--- It is drawn by one of two modules with the same functions: `attach` begins to ask and calls back with what was drawn (nil
--- when nothing is suggested any more), `follow` is called after every key, `redraw` draws another item of the same answer,
--- `ask` asks at once, `hide` takes it off the screen.
local events = require('codecompose.events')

local M = {}

---@type codecompose.Suggestion?
local shown

--- How ghost text is drawn here.
---@return 'native'|'extmarks'
function M.way()
  local way = require('codecompose').options.ghost
  return way == 'auto' and (vim.lsp.inline_completion and 'native' or 'extmarks') or way
end

local function drawer()
  return require('codecompose.' .. M.way())
end

---@param suggestion codecompose.Suggestion?
local function on_drawn(suggestion)
  shown = suggestion
  if suggestion then
    events.shown(suggestion)
  end
end

---@param reason 'rejected'|'ignored'
local function dismiss(reason)
  if shown then
    drawer().hide(shown.buf)
    events.dismissed(shown, reason)
    shown = nil
  end
end

local function on_key(buf)
  local ended = shown and shown:ended()
  if ended == 'moved' then
    dismiss('ignored')
  elseif ended then
    shown = nil -- typed to its end, or over: the server sees that in the text
  end
  drawer().follow(buf, shown)
end

--- Show suggestions of the client in a buffer.
---@param client vim.lsp.Client
---@param buf integer
function M.attach(client, buf)
  local group = vim.api.nvim_create_augroup('codecompose.ghost.' .. buf, {})
  local function on(names, callback)
    vim.api.nvim_create_autocmd(names, { group = group, buffer = buf, callback = callback })
  end
  on({ 'InsertEnter', 'CursorMovedI', 'TextChangedP' }, function()
    on_key(buf)
  end)
  on({ 'InsertLeave' }, function()
    dismiss('ignored')
    drawer().hide(buf)
  end)
  drawer().attach(client, buf, on_drawn)
end

--- Take the suggestion. False when there is none, so that a key can do what it did before.
---@param unit? 'word'|'line' a part of it; the whole without
---@return boolean
function M.accept(unit)
  local suggestion = shown
  local rest = suggestion and suggestion:rest()
  if not suggestion or not rest or rest == '' then
    return false
  end
  local part = unit and suggestion:part(unit) or rest
  if part == rest or part:find('\n') then -- else what is left stays on the screen
    drawer().hide(suggestion.buf)
  end
  vim.schedule(function() -- a key's expression may not change the buffer
    suggestion:insert(part)
    if part == rest then
      shown = nil
      events.accepted(suggestion)
    else
      events.partly_accepted(suggestion)
    end
  end)
  return true
end

--- Show another suggestion of the same answer. Where nothing is shown, ask for what the server is less sure of.
---@param step 1|-1 the next, or the one before
---@return boolean
function M.turn(step)
  local buf = vim.api.nvim_get_current_buf()
  local client = vim.lsp.get_clients({ name = 'codecompose', bufnr = buf })[1]
  local items = shown and shown:turned(step)
  if items then
    drawer().redraw(shown.buf, items)
  elseif not shown and client then
    drawer().ask(client, buf)
  end
  return client ~= nil
end

--- The server is gone, and so is what it suggested.
---@param client_id integer
function M.lost(client_id)
  if shown and shown.client.id == client_id then
    drawer().hide(shown.buf)
    shown = nil
  end
end

--- Refuse the suggestion. False when there is none.
---@return boolean
function M.dismiss()
  local there = shown ~= nil
  dismiss('rejected')
  return there
end

return M
