--- CodeCompose LS for Neovim: starts the server, shows its suggestions as ghost text, tells it what became of them.
local restart = require('codecompose.restart')

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
  --- Keys of insert mode; false leaves one unmapped. `next` and `previous` may be given, too.
  --- All fall through to what they did where nothing is suggested.
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

local function is_installed()
  return vim.fn.executable(M.options.cmd[1]) == 1
end

--- What of `settings` the server is told; an empty table would be a list in JSON.
local function settings()
  return next(M.options.settings) and M.options.settings or vim.empty_dict()
end

local function capabilities()
  local able = vim.lsp.protocol.make_client_capabilities()
  able.experimental = { codecompose = { assist = true } } -- answers are shown here
  -- What 0.10 does not say of itself, and what edit.lua adds.
  able.textDocument.inlineCompletion = { dynamicRegistration = false }
  able.workspace.applyEdit = true
  able.workspace.workspaceEdit.documentChanges = true
  able.workspace.workspaceEdit.changeAnnotationSupport = { groupsOnLabel = true }
  return able
end

local function on_progress(err, params, context)
  local value = params.value
  if type(value) == 'table' and value.kind == 'assist' then
    return require('codecompose.assist').progress(params)
  end
  return vim.lsp.handlers['$/progress'](err, params, context)
end

---@type table<string, codecompose.Status>
local ENDED = {
  stays = { kind = 'Inactive', message = 'The server has stopped.', busy = false },
  returns = { kind = 'Warning', message = 'The server has stopped and is started again', busy = true },
  lost = { kind = 'Error', message = "The server has stopped: see ':CodeCompose log', then ':CodeCompose restart'.", busy = false },
}

local function on_exit(_, _, client_id)
  local comes = restart.ended(vim.lsp.get_client_by_id(client_id))
  vim.schedule(function()
    require('codecompose.assist').lost(client_id)
    require('codecompose.ghost').lost(client_id)
    if comes == 'lost' and M.server_status ~= ENDED.lost then -- once, whatever is opened meanwhile
      vim.notify('CodeCompose LS: ' .. ENDED.lost.message, vim.log.levels.ERROR)
    end
    show(ENDED[comes])
  end)
end

--- The client, whatever starts it.
local function configuration()
  return {
    name = 'codecompose',
    cmd = M.options.cmd,
    capabilities = capabilities(),
    before_init = function(params)
      params.initializationOptions = settings()
    end,
    handlers = {
      didChangeStatus = function(_, status)
        show(status)
      end,
      ['$/progress'] = on_progress,
      ['workspace/applyEdit'] = require('codecompose.edit').apply,
    },
    on_init = restart.started,
    on_exit = on_exit,
    commands = {
      ['codecompose.assist'] = function(command, context)
        local client = vim.lsp.get_client_by_id(context.client_id)
        require('codecompose.assist').run(client, command.arguments[1], context.bufnr)
      end,
    },
    on_attach = require('codecompose.ghost').attach,
  }
end

--- Start the server for a buffer that is a file, or will be one.
local function start(buf)
  if vim.bo[buf].buftype == '' and is_installed() then
    vim.lsp.start(
      vim.tbl_extend('error', configuration(), { root_dir = vim.fs.root(buf, M.options.root_markers) }),
      { bufnr = buf }
    )
  end
end

--- Before Neovim had `vim.lsp.enable`.
local function start_for_all()
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

local function enable()
  if not vim.lsp.config then
    return start_for_all()
  end
  local config = configuration()
  config.root_dir = function(buf, start_in)
    if vim.bo[buf].buftype == '' then -- Neovim would start it for help, too
      start_in(vim.fs.root(buf, M.options.root_markers))
    end
  end
  vim.lsp.config('codecompose', config)
  vim.lsp.enable('codecompose')
end

--- Say it once, not for every buffer.
local function complain_of_missing()
  show({ kind = 'Error', message = 'The server is not installed: see :checkhealth codecompose.', busy = false })
  local message = "CodeCompose LS: '%s' was not found, see :checkhealth codecompose"
  vim.notify(message:format(M.options.cmd[1]), vim.log.levels.ERROR)
end

--- Start the server for every file opened from now on, and for those already open.
---@param options? codecompose.Options
function M.setup(options)
  M.options = vim.tbl_deep_extend('force', M.options, options or {})
  vim.api.nvim_set_hl(0, 'CodeComposeGhost', { link = 'Comment', default = true })
  require('codecompose.keys').map(M.options.keys)
  if not is_installed() then
    complain_of_missing()
  end
  enable() -- also where there is none: a file that is opened later may find it
end

--- Start the server anew, or at last.
function M.restart()
  if not is_installed() then
    return complain_of_missing()
  end
  show({ kind = 'Normal', message = 'The server is started', busy = true })
  if not restart.all() then
    enable()
  end
end

--- The server's program, to be given other arguments than `lsp`.
---@return string[]
function M.program()
  local program = {}
  for _, word in ipairs(M.options.cmd) do
    if word == 'lsp' then
      break
    end
    program[#program + 1] = word
  end
  return program
end

--- The state in one line that says why.
function M.status()
  local status = M.server_status
  return ('CodeCompose: %s%s'):format(status.message ~= '' and status.message or 'ready', status.busy and ' …' or '')
end

local WORDS = { Inactive = 'off', Warning = 'warning', Error = 'error' }

--- The state in a word, for a status line: 'CodeCompose', and what is being done or is the matter.
function M.statusline()
  local status, assistant = M.server_status, require('codecompose.assist').running()
  local word = assistant and assistant .. ' …' or WORDS[status.kind] or (status.busy and '…')
  return word and ('CodeCompose: ' .. word):gsub('%%', '%%%%') or 'CodeCompose'
end

--- Switch suggestions off, or on again, until Neovim ends.
function M.toggle()
  M.options.settings.enabled = M.options.settings.enabled == false
  require('codecompose.ghost').dismiss()
  for _, client in ipairs(vim.lsp.get_clients({ name = 'codecompose' })) do
    require('codecompose.client').notify(client, 'workspace/didChangeConfiguration', { settings = { codecompose = settings() } })
  end
end

return M
