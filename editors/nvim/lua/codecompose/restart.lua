--- A server that ends unasked is started again, a few times; then the user is told, and has `:CodeCompose restart`.
local M = {}

--- How long to wait before each start, in milliseconds.
M.waits = { 200, 1000, 3000, 9000 }
--- A server that has run for so long, in milliseconds, may fail as often again.
local STEADY = 3 * 60 * 1000
--- How long one that is asked to go may take, in milliseconds.
local PATIENCE = 2000

---@class codecompose.Ended
---@field config vim.lsp.ClientConfig
---@field buffers integer[] that it served
---@field failures integer in a row
---@field time integer of the last one, in milliseconds
---@field gone boolean it has not come back

--- Servers that have ended, by their workspaces.
---@type table<string, codecompose.Ended>
local ended = {}
--- Clients that were told to stop, and whether their servers shall come back.
---@type table<integer, 'stay'|'return'>
local told = {}

local function workspace(client)
  return client.config.root_dir or ''
end

---@param server codecompose.Ended
local function start(server)
  if server.gone then
    for _, buf in ipairs(server.buffers) do
      if vim.api.nvim_buf_is_loaded(buf) then
        vim.lsp.start(server.config, { bufnr = buf })
      end
    end
  end
end

--- A server runs. Whoever stops its client, Neovim at its end for one, wants it to stay away.
---@param client vim.lsp.Client
function M.started(client)
  local before = ended[workspace(client)]
  if before then
    before.gone = false
  end
  local stop = client.stop
  ---@diagnostic disable-next-line: duplicate-set-field
  client.stop = function(...)
    told[client.id] = told[client.id] or 'stay'
    return stop(...)
  end
end

--- A server has ended; may be called where most of Neovim's functions may not.
---@param client vim.lsp.Client
---@return 'stays'|'returns'|'lost' what comes now
function M.ended(client)
  local order, buffers, now = told[client.id], vim.tbl_keys(client.attached_buffers), vim.uv.now()
  if order == 'stay' then
    return 'stays'
  end
  local before = ended[workspace(client)] or { buffers = {}, failures = 0, time = now }
  local failures = order == 'return' and 0 or (now - before.time > STEADY and 0 or before.failures) + 1
  buffers = #buffers > 0 and buffers or before.buffers -- one that never came up has none
  local server = { config = client.config, buffers = buffers, failures = failures, time = now, gone = #buffers > 0 }
  ended[workspace(client)] = server
  local wait = M.waits[math.max(failures, 1)]
  if not wait or not server.gone then
    return 'lost'
  end
  vim.defer_fn(function()
    start(server)
  end, wait)
  return 'returns'
end

--- Start every server anew, those that run and those that are gone.
---@return boolean # whether there were any
function M.all()
  local clients = vim.lsp.get_clients({ name = 'codecompose' })
  for _, client in ipairs(clients) do
    told[client.id] = 'return'
    require('codecompose.client').stop(client)
    vim.defer_fn(function()
      if vim.lsp.get_client_by_id(client.id) then
        require('codecompose.client').stop(client, true)
      end
    end, PATIENCE)
  end
  local gone = vim.tbl_filter(function(server)
    return server.gone
  end, vim.tbl_values(ended))
  ended = {}
  vim.tbl_map(start, gone)
  return #clients + #gone > 0
end

return M
