--- Calls to a language client that Neovim 0.10 spells with a dot and later ones with a colon, and the units it counts in.
local M = {}

local methods = vim.fn.has('nvim-0.11') == 1

local function call(client, name, ...)
  if methods then
    return client[name](client, ...)
  end
  return client[name](...)
end

function M.request(client, method, params, handler, buf)
  return call(client, 'request', method, params, handler, buf)
end

function M.notify(client, method, params)
  return call(client, 'notify', method, params)
end

function M.cancel(client, id)
  return call(client, 'cancel_request', id)
end

--- Ask the server to end, or end it.
---@param force? boolean
function M.stop(client, force)
  return call(client, 'stop', force)
end

--- Ask and wait; nil when the time, in milliseconds, is over.
function M.request_sync(client, method, params, timeout, buf)
  return (call(client, 'request_sync', method, params, timeout, buf))
end

--- Run a command of the server, as after an accepted item.
function M.execute(client, command, handler, buf)
  local params = { command = command.command, arguments = command.arguments }
  return M.request(client, 'workspace/executeCommand', params, handler or function() end, buf)
end

--- The length of a text in what positions count.
function M.units(client, text)
  if client.offset_encoding == 'utf-8' then
    return #text
  end
  return client.offset_encoding == 'utf-16' and vim.fn.strutf16len(text, true) or vim.fn.strchars(text)
end

--- The byte column of a position's character in a line.
function M.byte_column(client, line, character)
  if client.offset_encoding == 'utf-8' then
    return math.min(character, #line)
  end
  local column = vim.fn.byteidxcomp(line, character, client.offset_encoding == 'utf-16')
  return column < 0 and #line or column
end

return M
