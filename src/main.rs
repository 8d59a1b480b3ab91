//! The program `timbre`.

use std::process::ExitCode;

use clap::Parser;
use timbre::terminal::Timbre;

fn main() -> ExitCode {
    Timbre::parse().run()
}
