--- :checkhealth codecompose
local M = {}

local health = vim.health

local DRAWN = { native = 'vim.lsp.inline_completion', extmarks = 'extmarks of this plugin' }

local function check_program(codecompose)
  local program = codecompose.options.cmd[1]
  if vim.fn.executable(program) == 0 then
    health.error(("'%s' was not found"):format(program), {
      "Install the server: 'pip install .' at the root of its repository",
      "Or give its full path: require('codecompose').setup { cmd = { '/path/to/codecompose-ls', 'lsp' } }",
      'Then :CodeCompose restart',
    })
    return false
  end
  health.ok('server: ' .. vim.fn.exepath(program))
  local asked = vim.system(vim.list_extend(codecompose.program(), { '--version' }), { text = true }):wait(10000)
  local version = vim.trim(asked.stdout or '')
  if asked.code ~= 0 or version == '' then
    health.error('the server does not say its version: ' .. vim.trim(asked.stderr or ''), 'Install it anew')
    return false
  end
  health.ok('version: ' .. version)
  return true
end

local function check_status(status)
  local report = ({ Error = health.error, Warning = health.warn })[status.kind] or health.ok
  report(status.message .. (status.busy and ' …' or ''))
end

local function check_chat(client)
  local buf = next(client.attached_buffers)
  local disabled, why, total = 0, '', 0
  for _, one in ipairs(buf and require('codecompose.assist').list(client, buf, 10000) or {}) do
    total = total + 1
    if one.disabled ~= '' then
      disabled, why = disabled + 1, one.disabled
    end
  end
  if total == 0 then
    health.info('chat model: open a file to see which assistants there are for it')
  elseif disabled == 0 then
    health.ok(('chat model: there is one, all %d assistants can be asked'):format(total))
  else
    health.info(('chat model: %d of %d assistants can be asked; %s'):format(total - disabled, total, why))
  end
end

function M.check()
  local codecompose = require('codecompose')
  health.start('CodeCompose LS')
  if vim.fn.has('nvim-0.10') == 0 then
    return health.error('Neovim 0.10 or later is needed')
  end
  health.ok('Neovim ' .. tostring(vim.version()))
  local drawn = DRAWN[require('codecompose.ghost').way()]
  if not drawn then
    health.error(("`ghost` is '%s'"):format(codecompose.options.ghost), "Give 'auto', 'native' or 'extmarks'")
  elseif drawn == DRAWN.native and not vim.lsp.inline_completion then
    health.error("ghost text: this Neovim has no vim.lsp.inline_completion", "Set `ghost` to 'auto'")
  else
    health.ok('ghost text: drawn by ' .. drawn)
  end
  if not check_program(codecompose) then
    return
  end
  local client = vim.lsp.get_clients({ name = 'codecompose' })[1]
  if not client then
    return health.warn('the server has not started', "Call require('codecompose').setup() and open a file")
  end
  check_status(codecompose.server_status)
  check_chat(client)
  health.info("the server checks itself with 'codecompose-ls doctor'")
end

return M
