"""The commands as a person types them: names, options and help texts, without numerical libraries.

Each file declares one command and imports the module that does the work inside the function. `wnsense --help` and shell
completion therefore load no torch.
"""
