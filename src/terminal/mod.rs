//! The program `timbre` as its user sees it: commands, options, what is printed, exit codes.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use serde::Serialize;

use crate::config::{Export, Log, Rendering, Service};

#[cfg(feature = "musicgen")]
mod bench;
mod describe;
mod failure;
mod generate;
mod logging;
#[cfg(feature = "musicgen")]
mod models;
mod options;
mod plan;
mod progress;
mod schema;
mod serve;
mod stream;
mod table;
#[cfg(feature = "musicgen")]
mod transfer;

use failure::Failure;

/// Text to finished, mastered music on your own machine.
#[derive(Debug, Parser)]
#[command(name = "timbre", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Timbre {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    rendering: Rendering,
    #[command(flatten)]
    log: Log,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 something in the input is wrong, 130 interrupted.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a piece of music and write it to a file.
    Generate(generate::Generate),
    /// Print the plan of a piece without rendering it.
    Plan(plan::MakePlan),
    /// Run the HTTP service.
    Serve {
        #[command(flatten)]
        service: Service,
        #[command(flatten)]
        export: Export,
    },
    /// List the engines and whether they can run here.
    Engines {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List, fetch, check and remove models.
    #[cfg(feature = "musicgen")]
    #[command(subcommand)]
    Models(models::Models),
    /// Measure how fast a model would be on this machine, without having it.
    #[cfg(feature = "musicgen")]
    Bench(bench::Bench),
    /// Print the JSON Schemas of the wire types and the API document.
    Schema {
        /// Print only this one, as `GenerationRequest` or `openapi`.
        name: Option<String>,
        /// Write all of them into this directory instead.
        #[arg(long, value_name = "DIR", conflicts_with = "name")]
        write: Option<PathBuf>,
    },
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

impl Timbre {
    /// Variables to be set before any thread starts.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        self.rendering.variables()
    }

    /// Runs the command; what went wrong has been said on standard error when this returns.
    pub fn run(self) -> ExitCode {
        match self.dispatch() {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(),
        }
    }

    fn dispatch(self) -> Result<(), Failure> {
        logging::start(&self.log)?;
        match self.command {
            Command::Generate(generate) => generate.run(&self.rendering),
            Command::Plan(plan) => plan.run(&self.rendering),
            Command::Serve { service, export } => serve::run(&service, &self.rendering, &export),
            Command::Engines { json } => engines(&self.rendering, json),
            #[cfg(feature = "musicgen")]
            Command::Models(models) => models.run(&self.rendering),
            #[cfg(feature = "musicgen")]
            Command::Bench(bench) => bench.run(&self.rendering),
            Command::Schema { name, write } => schema::run(name.as_deref(), write.as_deref()),
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Self::command(), "timbre", &mut script);
                print(&String::from_utf8_lossy(&script))
            }
        }
    }
}

fn engines(rendering: &Rendering, json: bool) -> Result<(), Failure> {
    let engines = crate::app::engines(rendering)?.list();
    if json {
        return print_json(&crate::wire::EngineList { engines });
    }
    let rows: Vec<Vec<String>> = engines
        .into_iter()
        .map(|engine| {
            let available = if engine.available { "yes" } else { "no" };
            vec![engine.name, available.to_owned(), engine.reason, engine.licence.unwrap_or_default()]
        })
        .collect();
    print(&table::table(&["engine", "available", "why", "licence of what it makes"], &rows, &[]))
}

/// A line for the person at the terminal, on standard error. When that is closed, nobody is there to be told.
fn say(text: &str) {
    writeln!(io::stderr().lock(), "{text}").ok();
}

/// Prints to standard output. That nobody reads on (`timbre ... | head`) is no error.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(()),
    }
}

fn print_json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(value).map_err(|error| Failure::Output(error.into()))?;
    print(&(json + "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_sound() {
        Timbre::command().debug_assert();
    }
    #[test]
    fn the_readme_lists_every_setting() {
        let page = include_str!("../../README.md");
        let command = Timbre::command();
        let mut settings = 0;
        for argument in
            [&command].into_iter().chain(command.get_subcommands()).flat_map(clap::Command::get_arguments)
        {
            let (Some(variable), Some(option)) = (argument.get_env(), argument.get_long()) else { continue };
            let row = format!("| `--{option}` | `{}` |", variable.display());
            assert!(page.contains(&row), "README.md lacks: {row}");
            settings += 1;
        }
        assert!(settings > 10, "{settings}");
    }
}
