//! `ambient completions` and `ambient manual`: what shells and `man` read, made from the commands themselves.

use ambient_studies::error::Error;
use clap::{Args, Command};
use clap_complete::Shell;

/// A script that lets a shell complete the commands and their options.
#[derive(Args)]
#[command(after_help = "\
Examples:
  ambient completions bash > ~/.local/share/bash-completion/completions/ambient
  ambient completions zsh > ~/.zfunc/_ambient
  ambient completions fish > ~/.config/fish/completions/ambient.fish")]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    /// Writes the script.
    pub(super) fn run(&self, mut program: Command) -> String {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut program, "ambient", &mut script);
        String::from_utf8_lossy(&script).into_owned()
    }
}

/// The manual page of the program, or of one of its commands.
#[derive(Args)]
#[command(after_help = "\
Examples:
  ambient manual | man -l -
  ambient manual lowdim > ambient-lowdim.1")]
pub(super) struct Manual {
    /// The command; the whole program where none is named
    command: Option<String>,
}

impl Manual {
    /// Writes the page.
    pub(super) fn run(self, mut program: Command) -> Result<String, Error> {
        program.build();
        let known = || program.get_subcommands().map(Command::get_name);
        let chosen = match &self.command {
            None => &program,
            Some(name) => program.find_subcommand(name).ok_or_else(|| Error::Option {
                option: "COMMAND",
                problem: format!("is `{name}`: known are {}", known().collect::<Vec<_>>().join(", ")),
            })?,
        };
        let mut page = Vec::new();
        // Writing to memory cannot fail.
        let _ = clap_mangen::Man::new(chosen.clone()).render(&mut page);
        Ok(String::from_utf8_lossy(&page).into_owned())
    }
}
