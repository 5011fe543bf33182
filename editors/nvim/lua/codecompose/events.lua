--- What becomes of a suggestion on the screen, as far as the server cannot see it in the text.
local client = require('codecompose.client')

local M = {}

---@param suggestion codecompose.Suggestion
function M.shown(suggestion)
  client.notify(suggestion.client, 'textDocument/didShowCompletion', { item = suggestion.item })
end

---@param suggestion codecompose.Suggestion
function M.accepted(suggestion)
  client.execute(suggestion.client, suggestion.item.command, nil, suggestion.buf)
end

--- Its text up to the cursor stands in the buffer, taken by word or by line.
---@param suggestion codecompose.Suggestion
function M.partly_accepted(suggestion)
  local taken = suggestion.item.insertText:sub(1, suggestion:typed())
  client.notify(suggestion.client, 'textDocument/didPartiallyAcceptCompletion', {
    item = suggestion.item,
    acceptedLength = vim.fn.strutf16len(taken, true),
  })
end

---@param suggestion codecompose.Suggestion
---@param reason 'rejected'|'ignored' by a key for it, or by going elsewhere
function M.dismissed(suggestion, reason)
  client.notify(suggestion.client, 'codecompose/didDismissCompletion', { item = suggestion.item, reason = reason })
end

return M
