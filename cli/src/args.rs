//! The command line.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use timbre::wire::JobState;
use timbre_client::Part;

use crate::options::RequestOptions;

const EXIT_CODES: &str = "\
Exit codes:
    0  done
    1  another failure
    2  wrong use, or the server refused the request (HTTP 400, 404, 413, 415, 422)
    3  the server cannot be reached
    4  the job failed
    5  the job was cancelled
    6  the server is busy or not ready (HTTP 429, 503): try again later
  130  interrupted

Data goes to stdout; progress and errors go to stderr. With --json, stdout carries one JSON document, also for a failure
({\"error\": ...}); `watch --json` writes one compact document per line.";

/// Makes music on a Timbre server: asks for it, follows it, fetches it.
#[derive(Debug, Parser)]
#[command(name = "timbrectl", version, after_help = EXIT_CODES, propagate_version = true)]
pub(crate) struct Cli {
    /// Address of the server.
    #[arg(
        long,
        global = true,
        env = "TIMBRE_SERVER",
        value_name = "URL",
        default_value = "http://127.0.0.1:8000"
    )]
    pub(crate) server: String,
    /// Write JSON to stdout.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show no progress; write only the result.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a piece: submit, follow and download it.
    Generate(Box<Generate>),
    /// Submit a job and print its id.
    Submit(Box<RequestOptions>),
    /// Show where a job stands. Exits with 0 whatever its state.
    Status(Job),
    /// Follow a job to its end.
    Watch(Watch),
    /// Write a piece to stdout while it is made, as a WAV stream: `timbrectl listen ID | ffplay -i -`.
    Listen(Job),
    /// Show the plan of a piece; renders nothing. Edit the output of --json and give it back with --plan.
    Plan(Box<RequestOptions>),
    /// Download a file of a finished job.
    Fetch(Fetch),
    /// List jobs, newest first.
    List(List),
    /// Cancel a job.
    Cancel(Job),
    /// Show the state of the server. Exits with 6 when it would not take a job now.
    Health,
    /// List the server's engines.
    Engines,
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Generate {
    #[command(flatten)]
    pub(crate) request: RequestOptions,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Download the notes as well, as a standard MIDI file; a file to write, or a folder to write into.
    #[arg(long, value_name = "PATH", help_heading = "The download")]
    pub(crate) midi: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) interrupt: OnInterrupt,
}

#[derive(Debug, Args)]
pub(crate) struct Job {
    /// The job's id.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
}

#[derive(Debug, Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) job: Job,
    /// Download the audio when the job has succeeded.
    #[arg(long)]
    pub(crate) fetch: bool,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Download the notes as well, as a standard MIDI file; a file to write, or a folder to write into.
    #[arg(long, value_name = "PATH", requires = "fetch", help_heading = "The download")]
    pub(crate) midi: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) interrupt: OnInterrupt,
}

#[derive(Debug, Args)]
pub(crate) struct Fetch {
    #[command(flatten)]
    pub(crate) job: Job,
    /// What to download.
    #[arg(long, default_value = "audio", value_parser = choice(&PARTS))]
    pub(crate) part: Part,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Where a download goes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "The download")]
pub(crate) struct Target {
    /// File to write, or a folder to write into. By default named after the title, with a number when that name is taken.
    #[arg(long, short, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// Replace the file if it exists: the one given with --output, or the one named after the title.
    #[arg(long)]
    pub(crate) force: bool,
}

/// What Ctrl-C does.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "While following")]
pub(crate) struct OnInterrupt {
    /// Cancel the job on Ctrl-C. Otherwise Ctrl-C only stops following, and the job goes on at the server.
    #[arg(long)]
    pub(crate) cancel_on_interrupt: bool,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only jobs in this state.
    #[arg(long, value_parser = choice(&STATES))]
    pub(crate) state: Option<JobState>,
    /// At most this many.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u32>,
    /// Only jobs older than this one: the id that the page before ended with.
    #[arg(long, value_name = "ID")]
    pub(crate) before: Option<String>,
}

const PARTS: [(&str, Part); 5] = [
    ("audio", Part::Audio),
    ("manifest", Part::Manifest),
    ("picture", Part::Picture),
    ("midi", Part::Midi),
    ("stems", Part::Stems),
];

const STATES: [(&str, JobState); 8] = [
    ("queued", JobState::Queued),
    ("planning", JobState::Planning),
    ("rendering", JobState::Rendering),
    ("mixing", JobState::Mixing),
    ("mastering", JobState::Mastering),
    ("succeeded", JobState::Succeeded),
    ("failed", JobState::Failed),
    ("cancelled", JobState::Cancelled),
];

/// A parser for a closed set of words, which help and completions then list.
pub(crate) fn choice<T: Copy + Send + Sync + 'static>(
    words: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(words.iter().map(|(word, _)| *word)).try_map(move |given: String| {
        words
            .iter()
            .find(|(word, _)| *word == given)
            .map(|(_, value)| *value)
            .ok_or("not one of the known words")
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn words_are_those_of_the_wire() {
        for (word, state) in STATES {
            assert_eq!(word, state.name());
        }
        for (word, part) in PARTS {
            assert_eq!(word, part.name());
        }
        assert_eq!(PARTS.len(), Part::ALL.len());
    }
}
