//! One function per command.

use std::io::{self, Read, Write};
use std::path::Path;

use clap::CommandFactory;
use timbre::wire::{EngineChoice, EngineInfo, GenerationRequest, JobState};
use timbre_client::{Client, ClientError, JobFilter};

use crate::args::{Cli, Command, Fetch, Generate, List, Target, Watch};
use crate::exit::Failure;
use crate::follow::Follower;
use crate::options::RequestOptions;
use crate::output::{self, Output};
use crate::report;

pub(crate) fn run(cli: Cli, output: Output) -> Result<(), Failure> {
    // Completions need no server.
    let client = || Client::new(&cli.server);
    match cli.command {
        Command::Generate(options) => generate(&client()?, output, *options),
        Command::Submit(options) => submit(&client()?, output, *options),
        Command::Status(job) => status(&client()?, output, &job.id),
        Command::Watch(options) => watch(&client()?, output, &options),
        Command::Listen(job) => listen(&client()?, output, &job.id),
        Command::Plan(options) => plan(&client()?, output, *options),
        Command::Fetch(options) => fetch(&client()?, output, &options),
        Command::List(options) => list(&client()?, output, options),
        Command::Cancel(job) => cancel(&client()?, output, &job.id),
        Command::Health => health(&client()?, output),
        Command::Engines => engines(&client()?, output),
        Command::Completions { shell } => completions(shell),
    }
}

fn generate(client: &Client, output: Output, options: Generate) -> Result<(), Failure> {
    let sounds = options.request.sounds.clone();
    let mut request = options.request.into_request()?;
    options.target.check()?;
    let notes = notes(options.midi.as_deref(), &options.target)?;
    if notes.is_some() {
        check_notes(client, &request)?;
    }
    sounds.upload(client, &mut request)?;
    let job = client.submit(&request)?;
    output.note(&format!("job {}, engine {}, seed {}", job.job_id, job.engine, job.seed));
    let follower = Follower::new(client, output)?;
    follower.follow(&job.job_id, options.interrupt, false)?;
    follower.fetch_piece(&job.job_id, &options.target, notes.as_ref(), false)
}

/// Where the notes go, if they are wanted.
fn notes(midi: Option<&Path>, target: &Target) -> Result<Option<Target>, Failure> {
    let notes = midi.map(|path| target.at(path));
    notes.iter().try_for_each(Target::check)?;
    Ok(notes)
}

/// Refuses a request for notes to an engine that does not know them, before any work is done for it.
fn check_notes(client: &Client, request: &GenerationRequest) -> Result<(), Failure> {
    let chosen = |engine: &&EngineInfo| match request.engine {
        None | Some(EngineChoice::Auto) => engine.default,
        Some(EngineChoice::Musicgen) => engine.name == "musicgen",
        Some(EngineChoice::Synth) => engine.name == "synth",
    };
    match client.engines()?.engines.iter().find(chosen) {
        Some(engine) if engine.available && !engine.notes => Err(Failure::Usage(format!(
            "--midi: the engine {} does not know the notes that it plays; leave --midi out, or take --engine synth",
            engine.name
        ))),
        _ => Ok(()),
    }
}

fn submit(client: &Client, output: Output, options: RequestOptions) -> Result<(), Failure> {
    let sounds = options.sounds.clone();
    let mut request = options.into_request()?;
    sounds.upload(client, &mut request)?;
    let job = client.submit(&request)?;
    output.either(&job, || job.job_id.clone())
}

fn status(client: &Client, output: Output, id: &str) -> Result<(), Failure> {
    let status = client.status(id)?;
    output.either(&status, || report::status(&status))
}

fn watch(client: &Client, output: Output, options: &Watch) -> Result<(), Failure> {
    let id = &options.job.id;
    if options.fetch {
        options.target.check()?;
    }
    let notes = notes(options.midi.as_deref(), &options.target)?;
    // Only a job that was reached once is waited for when it is out of reach.
    client.status(id)?;
    let follower = Follower::new(client, output)?;
    let end = follower.follow(id, options.interrupt, output.json)?;
    if options.fetch {
        return follower.fetch_piece(id, &options.target, notes.as_ref(), output.json);
    }
    if output.json { Ok(()) } else { output::text(&report::status(&end)) }
}

fn listen(client: &Client, output: Output, id: &str) -> Result<(), Failure> {
    if output.json {
        return Err(Failure::Usage("--json: the sound has stdout for itself; leave --json out".to_owned()));
    }
    let mut sound = client.listen(id)?;
    let mut out = io::stdout().lock();
    let mut block = vec![0; 64 << 10];
    loop {
        let read = match sound.read(&mut block) {
            Ok(0) => return Ok(out.flush()?),
            Ok(read) => read,
            Err(broken) => return Err(unheard(client, id, broken)),
        };
        match out.write_all(&block[..read]).and_then(|()| out.flush()) {
            // The player was closed.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
    }
}

/// Why the sound of a job has no end.
fn unheard(client: &Client, id: &str, broken: io::Error) -> Failure {
    match client.status(id) {
        Ok(job) if job.state == JobState::Failed => Failure::JobFailed(Box::new(job)),
        Ok(job) if job.state == JobState::Cancelled => Failure::JobCancelled(Box::new(job)),
        Ok(_) => Failure::Client(ClientError::lost(client.server(), broken)),
        Err(error) => Failure::Client(error),
    }
}

fn plan(client: &Client, output: Output, options: RequestOptions) -> Result<(), Failure> {
    let plan = client.plan(&options.into_request()?)?;
    output.either(&plan, || report::plan(&plan))
}

fn fetch(client: &Client, output: Output, options: &Fetch) -> Result<(), Failure> {
    options.target.check()?;
    Follower::new(client, output)?.fetch_part(&options.job.id, options.part, &options.target)
}

fn list(client: &Client, output: Output, options: List) -> Result<(), Failure> {
    let filter = JobFilter { state: options.state, limit: options.limit, before: options.before };
    let list = client.jobs(&filter)?;
    output.either(&list, || report::jobs(&list))
}

fn cancel(client: &Client, output: Output, id: &str) -> Result<(), Failure> {
    let status = client.cancel(id)?;
    output.either(&status, || format!("{} {}", status.job_id, status.state.name()))
}

fn health(client: &Client, output: Output) -> Result<(), Failure> {
    let health = client.health()?;
    output.either(&health, || report::health(client.server(), &health))?;
    if health.ready {
        return Ok(());
    }
    let reason = health.not_ready.unwrap_or_else(|| "it does not say why; its log may".to_owned());
    Err(Failure::NotReady(reason))
}

fn engines(client: &Client, output: Output) -> Result<(), Failure> {
    let list = client.engines()?;
    output.either(&list, || report::engines(&list.engines))
}

fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "timbrectl", &mut script);
    Ok(std::io::Write::write_all(&mut std::io::stdout(), &script)?)
}
