--- Ghost text through vim.lsp.inline_completion (Neovim 0.12), which asks and draws by itself.
---
--- It tells nobody what it draws, does not cancel a request that a later one supersedes, draws an answer that comes too late
--- for the text, and goes on drawing one that was typed over until the next comes; so the client's requests pass through here.
local Suggestion = require('codecompose.suggestion')

local M = {}

local INVOKED = 1
local METHOD = 'textDocument/inlineCompletion'
local namespace = vim.api.nvim_create_namespace('nvim.lsp.inline_completion')

---@type table<integer, true>
local watched = {}
--- Buffers where the last answer was drawn.
---@type table<integer, boolean>
local drawn = {}
--- Neovim's own handler of answers for a buffer.
---@type table<integer, function>
local handlers = {}
--- Where the user has asked: what Neovim asks there by itself, 200 ms after the last key, must not take the answer away.
---@type table<integer, table?>
local invoked = {}
--- Draws the items of the last answer, in another order.
---@type table<integer, fun(items: table[])>
local redraw = {}

local function is_drawn(buf)
  return #vim.api.nvim_buf_get_extmarks(buf, namespace, 0, -1, { limit = 1 }) > 0
end

---@param on_drawn fun(suggestion: codecompose.Suggestion?)
local function watch(client, on_drawn)
  local request, pending = client.request, nil
  ---@diagnostic disable-next-line: duplicate-set-field
  client.request = function(self, method, params, handler, buf)
    if method ~= METHOD then
      return request(self, method, params, handler, buf)
    end
    if pending then
      self:cancel_request(pending)
    end
    local place = Suggestion.place(buf)
    handlers[buf] = handler
    if vim.deep_equal(invoked[buf], place) then
      params.context.triggerKind = INVOKED
    end
    local sent, id
    sent, id = request(self, method, params, function(err, result, context)
      pending = pending ~= id and pending or nil
      if err or not vim.deep_equal(Suggestion.place(buf), place) then
        return
      end
      redraw[buf] = function(items)
        handler(nil, { items = items }, context)
        drawn[buf] = items[1] ~= nil and is_drawn(buf)
        on_drawn(drawn[buf] and Suggestion.new(items, self, buf) or nil)
      end
      redraw[buf](result and (result.items or result) or {})
    end, buf)
    pending = sent and id or nil
    return sent, id
  end
end

---@param client vim.lsp.Client
---@param on_drawn fun(suggestion: codecompose.Suggestion?)
function M.attach(client, buf, on_drawn)
  handlers[buf], redraw[buf] = nil, nil -- of a server that was here before
  if not watched[client.id] then
    watched[client.id] = true
    watch(client, on_drawn)
    vim.lsp.inline_completion.enable(true, { client_id = client.id })
  end
end

--- Neovim draws and asks by itself, also what no longer stands.
---@param buf integer
---@param suggestion codecompose.Suggestion?
function M.follow(buf, suggestion)
  if drawn[buf] and not suggestion then
    vim.schedule(function() -- after Neovim's turn
      vim.api.nvim_buf_clear_namespace(buf, namespace, 0, -1)
    end)
  end
end

--- Draw another item of the answer.
---@param items table[] it comes first
function M.redraw(buf, items)
  redraw[buf](items)
end

--- Ask now, for what would not show up by itself, too.
function M.ask(client, buf)
  invoked[buf] = Suggestion.place(buf)
  if handlers[buf] then -- else Neovim is about to ask
    local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
    params.context = { triggerKind = INVOKED }
    client:request(METHOD, params, handlers[buf], buf)
  end
end

function M.hide(buf)
  vim.lsp.inline_completion.get({ bufnr = buf, on_accept = function() end })
end

return M
