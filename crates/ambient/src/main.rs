//! The program `ambient`: its command line.

pub(crate) mod commands;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use commands::{Ambient, Said};

fn main() -> ExitCode {
    let result = match Ambient::try_parse() {
        Ok(ambient) => ambient.run(),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            // A reader that has gone away does not mind.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            return ExitCode::from(2);
        }
        Err(error) => Err(first_paragraph(&error.to_string())),
    };
    match result {
        Ok(Said { text, complaint: None }) => print(&text),
        Ok(Said { text, complaint: Some(complaint) }) => {
            let printed = print(&text);
            let _ = writeln!(io::stderr(), "error: {complaint}");
            if printed == ExitCode::SUCCESS { ExitCode::FAILURE } else { printed }
        }
        Err(message) => {
            let _ = writeln!(io::stderr(), "error: {message}");
            ExitCode::from(2)
        }
    }
}

/// What clap says first, on one line.
fn first_paragraph(message: &str) -> String {
    let paragraph = message.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = paragraph.split_whitespace().collect();
    words.join(" ").trim_start_matches("error: ").to_owned()
}

/// Writes to stdout; a reader that has gone away is no error.
fn print(text: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let _ = writeln!(io::stderr(), "error: cannot write to stdout: {error}");
            ExitCode::from(2)
        }
        _ => ExitCode::SUCCESS,
    }
}
