--- CodeCompose LS for Neovim: starts the server, shows its suggestions as ghost text, tells it what became of them.
local M = {}

---@class codecompose.Options
M.options = {
  --- The command that starts the server.
  cmd = { 'codecompose-ls', 'lsp' },
  --- What the user has chosen; names as in `codecompose-ls`' settings, in camelCase.
  settings = vim.empty_dict(), -- an object in JSON, where {} would be a list
  --- A folder that holds one of these is the workspace.
  root_markers = { '.git', '.codecompose.toml', 'pyproject.toml', 'package.json', 'go.mod', 'Cargo.toml' },
  --- How ghost text is drawn: 'native' (vim.lsp.inline_completion, Neovim 0.12), 'extmarks', or 'auto': native where there is one.
  ghost = 'auto',
  --- Keys of insert mode; false leaves one unmapped. All fall through to what they did where nothing is suggested.
  keys = { accept = '<Tab>', accept_word = '<M-Right>', accept_line = '<M-C-Right>', dismiss = '<C-]>' },
}

---@class codecompose.Status
---@field kind 'Normal'|'Warning'|'Error'|'Inactive'
---@field message string
---@field busy boolean
---@type codecompose.Status
M.server_status = { kind = 'Inactive', message = 'The server has not started.', busy = false }

---@param status codecompose.Status
local function show(status)
  M.server_status = status
  vim.cmd.redrawstatus()
  vim.api.nvim_exec_autocmds('User', { pattern = 'CodeComposeStatus', modeline = false })
end

local function start(buf)
  if vim.bo[buf].buftype ~= '' or vim.fn.executable(M.options.cmd[1]) == 0 then
    return
  end
  local capabilities = vim.lsp.protocol.make_client_capabilities()
  capabilities.textDocument.inlineCompletion = { dynamicRegistration = false } -- 0.10 does not know it
  capabilities.experimental = { codecompose = { explain = true } } -- explanations are shown here
  vim.lsp.start({
    name = 'codecompose',
    cmd = M.options.cmd,
    root_dir = vim.fs.root(buf, M.options.root_markers),
    capabilities = capabilities,
    init_options = M.options.settings,
    handlers = {
      didChangeStatus = function(_, status)
        show(status)
      end,
    },
    on_exit = vim.schedule_wrap(function()
      show({ kind = 'Error', message = 'The server has stopped.', busy = false })
    end),
    commands = { ['codecompose.explain'] = require('codecompose.explain').run },
    on_attach = require('codecompose.ghost').attach,
  }, { bufnr = buf })
end

--- Start the server for every file opened from now on, and for those already open.
---@param options? codecompose.Options
function M.setup(options)
  M.options = vim.tbl_deep_extend('force', M.options, options or {})
  vim.api.nvim_set_hl(0, 'CodeComposeGhost', { link = 'Comment', default = true })
  require('codecompose.keys').map(M.options.keys)
  if vim.fn.executable(M.options.cmd[1]) == 0 then
    local message = "CodeCompose LS: '%s' was not found. Install the server, or give its full path in setup { cmd = ... }."
    show({ kind = 'Error', message = 'The server is not installed.', busy = false })
    return vim.notify(message:format(M.options.cmd[1]), vim.log.levels.ERROR)
  end
  vim.api.nvim_create_autocmd('FileType', {
    group = vim.api.nvim_create_augroup('codecompose.start', {}),
    callback = function(event)
      start(event.buf)
    end,
  })
  for _, buf in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(buf) and vim.bo[buf].filetype ~= '' then
      start(buf)
    end
  end
end

--- The state in one line, for a status line.
function M.status()
  local status = M.server_status
  return ('CodeCompose: %s%s'):format(status.message ~= '' and status.message or 'ready', status.busy and ' …' or '')
end

--- Switch suggestions off, or on again, until Neovim ends.
function M.toggle()
  local settings = M.options.settings
  settings.enabled = settings.enabled == false
  require('codecompose.ghost').dismiss()
  for _, client in ipairs(vim.lsp.get_clients({ name = 'codecompose' })) do
    require('codecompose.client').notify(client, 'workspace/didChangeConfiguration', { settings = { codecompose = settings } })
  end
end

return M
