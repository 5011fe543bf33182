"""How good suggestions are: hidden lines of real files, measured through the pipeline that serves them."""
