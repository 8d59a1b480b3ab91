//! `timbrectl`: a Timbre server from the command line. Data goes to stdout, progress and errors to stderr.

mod args;
mod commands;
mod exit;
mod follow;
mod interrupt;
mod options;
mod output;
mod place;
mod progress;
mod report;
mod table;

use std::process::ExitCode;

use clap::Parser;

use args::Cli;
use output::Output;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::wrong_use(&error),
    };
    let output = Output { json: cli.json, quiet: cli.quiet };
    match commands::run(cli, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(output),
    }
}
