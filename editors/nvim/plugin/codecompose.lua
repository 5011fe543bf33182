if vim.g.loaded_codecompose then
  return
end
vim.g.loaded_codecompose = true

require('codecompose.keys').plug()

local commands = {
  status = function()
    vim.notify(require('codecompose').status())
  end,
  toggle = function()
    require('codecompose').toggle()
  end,
}

vim.api.nvim_create_user_command('CodeCompose', function(call)
  local run = commands[call.args]
  if run then
    run()
  else
    vim.notify("CodeCompose: say 'status' or 'toggle'", vim.log.levels.ERROR)
  end
end, {
  nargs = 1,
  complete = function(start)
    return vim.tbl_filter(function(name)
      return vim.startswith(name, start)
    end, vim.tbl_keys(commands))
  end,
  desc = 'State of CodeCompose LS, or suggestions on and off',
})
