--- :checkhealth codecompose
local M = {}

function M.check()
  local codecompose, health = require('codecompose'), vim.health
  health.start('CodeCompose LS')
  if vim.fn.has('nvim-0.10') == 0 then
    return health.error('Neovim 0.10 or later is needed')
  end
  health.ok('Neovim ' .. tostring(vim.version()) .. (vim.lsp.inline_completion and ', with inline completion of its own' or ''))
  local program = codecompose.options.cmd[1]
  if vim.fn.executable(program) == 0 then
    return health.error(("'%s' was not found"):format(program), "Install the server, or give its full path in `cmd`")
  end
  health.ok('server: ' .. vim.fn.exepath(program))
  local clients = vim.lsp.get_clients({ name = 'codecompose' })
  if #clients == 0 then
    return health.warn('the server has not started', "Call require('codecompose').setup() and open a file")
  end
  health.ok(codecompose.status())
  health.info("the server checks itself with 'codecompose-ls doctor'")
end

return M
