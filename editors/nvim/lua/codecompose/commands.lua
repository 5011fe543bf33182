--- :CodeCompose and what may follow it: a word of its own, or the name of an assistant.
local M = {}

--- How long the names of assistants are waited for, in milliseconds.
local PATIENCE = 1000

--- Run the server's program with other arguments, in a terminal.
local function terminal(arguments)
  local codecompose = require('codecompose')
  local client = vim.lsp.get_clients({ name = 'codecompose', bufnr = 0 })[1]
  local folder = client and client.root_dir or vim.uv.cwd()
  vim.cmd('botright new')
  local command = vim.list_extend(codecompose.program(), arguments(folder))
  if vim.fn.has('nvim-0.11') == 1 then
    vim.fn.jobstart(command, { term = true, cwd = folder })
  else
    vim.fn.termopen(command, { cwd = folder })
  end
  vim.cmd.normal({ 'G', bang = true }) -- follow what it prints
end

---@type table<string, fun(arguments: string[], lines: { [1]: integer, [2]: integer }?)>
local own = {
  status = function()
    vim.notify(require('codecompose').status())
  end,
  toggle = function()
    require('codecompose').toggle()
  end,
  restart = function()
    require('codecompose').restart()
  end,
  feedback = function(arguments)
    require('codecompose.feedback').give(arguments[1], table.concat(arguments, ' ', 2))
  end,
  log = function()
    vim.cmd.split({ vim.fn.fnameescape(require('vim.lsp.log').get_filename()) })
    vim.cmd.normal({ 'G', bang = true })
  end,
  dashboard = function(arguments)
    terminal(function()
      return vim.list_extend({ 'dashboard' }, arguments)
    end)
  end,
  tune = function(arguments)
    terminal(function(folder)
      return vim.list_extend({ 'tune', folder }, arguments)
    end)
  end,
  assist = function(arguments, lines)
    local assist = require('codecompose.assist')
    if arguments[1] then
      assist.ask(arguments[1], lines)
    else
      assist.choose(lines)
    end
  end,
}

--- What the user command does.
function M.run(call)
  local name = call.fargs[1] or 'status'
  local lines = call.range > 0 and { call.line1, call.line2 } or nil
  if own[name] then
    own[name](vim.list_slice(call.fargs, 2), lines)
  else
    require('codecompose.assist').ask(name, lines)
  end
end

--- What could stand at the end of the line.
---@param lead string
---@param line string
function M.complete(lead, line)
  local before = vim.split(vim.trim(line:sub(1, #line - #lead)), '%s+')
  local names = #before == 1 and vim.tbl_keys(own) or before[2] == 'feedback' and #before == 2 and { 'up', 'down' } or {}
  if #before == 1 or (#before == 2 and before[2] == 'assist') then
    local client = vim.lsp.get_clients({ name = 'codecompose', bufnr = 0 })[1]
    for _, one in ipairs(client and require('codecompose.assist').list(client, vim.api.nvim_get_current_buf(), PATIENCE) or {}) do
      names[#names + 1] = one.name
    end
  end
  table.sort(names)
  return vim.tbl_filter(function(name)
    return vim.startswith(name, lead)
  end, names)
end

return M
