//! What the server says, as text for people.

#![expect(clippy::format_push_string, reason = "pages of text, each built once: ease of reading comes first")]

use std::path::Path;

use timbre::wire::{
    CompositionPlan, EngineInfo, GenerationArtifact, GenerationStatus, Health, JobList, TransitionKind,
};

use crate::table::Align::{Left, Right};
use crate::table::Table;

/// A length as `1:05`.
pub(crate) fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    format!("{}:{:02}", whole / 60, whole % 60)
}

/// A number with as many decimals as it needs, at most three.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn measured(value: Option<f64>, unit: &str) -> String {
    value.map_or_else(|| "not measurable".to_owned(), |value| format!("{value:.1} {unit}"))
}

fn percent(share: f64) -> String {
    format!("{:.0} %", (share * 100.0).floor())
}

/// Lines of `name  value`, the names padded to one width.
fn pairs(text: &mut String, pairs: &[(&str, String)]) {
    for (name, value) in pairs {
        *text += &format!("  {name:<9} {value}\n");
    }
}

fn warnings(text: &mut String, warnings: &[String]) {
    for warning in warnings {
        pairs(text, &[("warning", warning.clone())]);
    }
}

/// How fast sections are rendered, by seconds of work for a second of music: `0.12 times real time`.
pub(crate) fn speed(real_time_factor: f64) -> String {
    let speed = 1.0 / real_time_factor;
    let digits = if speed < 1.0 { 2 } else { usize::from(speed < 10.0) };
    format!("{speed:.digits$} times real time")
}

/// Where a job stands, in one line.
pub(crate) fn status_line(status: &GenerationStatus) -> String {
    let mut line = format!("{:<10} {:>5}", status.state.name(), percent(status.progress));
    let running = status.sections.iter().enumerate().find(|(_, section)| section.progress < 1.0);
    if let (false, Some((index, section))) = (status.state.is_final(), running) {
        let count = status.sections.len();
        line +=
            &format!("  section {} of {count}, {}, {}", index + 1, section.label, percent(section.progress));
    }
    match (status.queue_position, status.eta_seconds) {
        (Some(0), _) => line += "  next in the queue",
        (Some(1), _) => line += "  1 job before this one",
        (Some(before), _) => line += &format!("  {before} jobs before this one"),
        (None, Some(eta)) => line += &format!("  about {} left", clock(eta)),
        (None, None) => {}
    }
    line
}

/// Where a job stands, in full.
pub(crate) fn status(status: &GenerationStatus) -> String {
    let mut text = format!("{}\n", status.job_id);
    pairs(
        &mut text,
        &[
            ("state", status_line(status)),
            ("message", status.message.clone()),
            ("engine", format!("{} ({})", status.engine, status.engine_reason)),
            ("seed", status.seed.to_string()),
            ("accepted", status.created_at.to_string()),
        ],
    );
    if let Some(factor) = status.real_time_factor {
        pairs(&mut text, &[("rendered", speed(factor))]);
    }
    if let Some(at) = status.finished_at {
        pairs(&mut text, &[("ended", at.to_string())]);
    }
    if let Some(code) = &status.error_code {
        pairs(&mut text, &[("error", code.clone())]);
    }
    warnings(&mut text, &status.warnings);
    for section in &status.sections {
        pairs(
            &mut text,
            &[("section", format!("{:>5}  {} {}", percent(section.progress), section.id, section.label))],
        );
    }
    text
}

/// A finished piece that lies in a file.
pub(crate) fn piece(
    artifact: &GenerationArtifact,
    file: &Path,
    stems: Option<&Path>,
    midi: Option<&Path>,
) -> String {
    let (audio, loudness, source) = (&artifact.audio, &artifact.loudness, &artifact.provenance);
    let channels = match audio.channels {
        1 => "mono".to_owned(),
        2 => "stereo".to_owned(),
        more => format!("{more} channels"),
    };
    let model = source.model.as_ref().map(|model| format!(", {model}")).unwrap_or_default();
    let mut text = format!("{}\n", file.display());
    pairs(
        &mut text,
        &[
            ("title", artifact.title.clone()),
            (
                "length",
                format!(
                    "{} s, {} frames at {} Hz, {} bit, {channels}",
                    number(audio.duration_seconds),
                    audio.frames,
                    audio.sample_rate,
                    audio.bit_depth.name()
                ),
            ),
            (
                "loudness",
                format!(
                    "{}, range {}, true peak {}",
                    measured(loudness.integrated_lufs, "LUFS"),
                    measured(loudness.range_lu, "LU"),
                    measured(loudness.true_peak_dbtp, "dBTP")
                ),
            ),
            ("engine", format!("{}{model} ({})", source.engine, source.engine_reason)),
            ("seed", format!("{} (the same options with --seed {0} make this piece again)", source.seed)),
            ("licence", source.licence.clone()),
            ("job", artifact.job_id.clone()),
        ],
    );
    if let Some(stems) = stems {
        pairs(&mut text, &[("stems", stems.display().to_string())]);
    }
    if let Some(midi) = midi {
        pairs(&mut text, &[("midi", midi.display().to_string())]);
    }
    if let Some(note) = &loudness.note {
        pairs(&mut text, &[("note", note.clone())]);
    }
    warnings(&mut text, &artifact.warnings);
    text
}

/// A plan: what was decided, then the sections.
pub(crate) fn plan(plan: &CompositionPlan) -> String {
    let mut text = format!(
        "{}\n  {} bpm, {}, {}, {} bars, {} s, style {}, seed {}\n\n",
        plan.title,
        number(plan.tempo_bpm),
        plan.time_signature,
        plan.key,
        number(plan.total_bars),
        number(plan.duration_seconds),
        plan.style,
        plan.seed
    );
    let mut sections = Table::new([
        ("ID", Left),
        ("ROLE", Left),
        ("LABEL", Left),
        ("START", Right),
        ("SECONDS", Right),
        ("BARS", Right),
        ("ENERGY", Left),
        ("JOIN", Left),
        ("PLAYS", Left),
    ]);
    for section in &plan.sections {
        let join = match section.transition.kind {
            TransitionKind::Crossfade => format!("crossfade {}", number(section.transition.beats)),
            kind @ (TransitionKind::Cut | TransitionKind::Continue) => kind.name().to_owned(),
        };
        sections.row([
            section.id.clone(),
            section.role.name().to_owned(),
            section.label.clone(),
            clock(section.start_seconds),
            number(section.length_seconds),
            number(section.bars),
            section.energy.name().to_owned(),
            join,
            section.orchestration.names().collect::<Vec<_>>().join(", "),
        ]);
    }
    text += &sections.to_string();
    if !plan.inferred.is_empty() {
        let mut decisions =
            Table::new([("DECIDED", Left), ("VALUE", Left), ("FROM", Left), ("BECAUSE", Left)]);
        for inference in &plan.inferred {
            decisions.row([
                inference.field.clone(),
                inference.value.clone(),
                inference.source.name().to_owned(),
                inference.because.clone().unwrap_or_default(),
            ]);
        }
        text += &format!("\n{decisions}");
    }
    if !plan.not_understood.is_empty() {
        text += &format!("\nnot understood: {}\n", plan.not_understood.join(", "));
    }
    text
}

/// A page of jobs.
pub(crate) fn jobs(list: &JobList) -> String {
    if list.jobs.is_empty() {
        return "no jobs".to_owned();
    }
    let mut table = Table::new([
        ("ID", Left),
        ("STATE", Left),
        ("DONE", Right),
        ("ENGINE", Left),
        ("ACCEPTED", Left),
        ("MESSAGE", Left),
    ]);
    for job in &list.jobs {
        table.row([
            job.job_id.clone(),
            job.state.name().to_owned(),
            percent(job.progress),
            job.engine.clone(),
            job.created_at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            job.message.clone(),
        ]);
    }
    let mut text = table.to_string();
    if let Some(before) = &list.next_before {
        text += &format!("\nolder jobs: --before {before}\n");
    }
    text
}

/// The engines.
pub(crate) fn engines(engines: &[EngineInfo]) -> String {
    let mut table = Table::new([
        ("ENGINE", Left),
        ("AVAILABLE", Left),
        ("AUTO", Left),
        ("RATE", Right),
        ("STEMS", Left),
        ("MIDI", Left),
        ("LICENCE", Left),
        ("WHY", Left),
    ]);
    let yes = |value: bool| if value { "yes" } else { "no" }.to_owned();
    for engine in engines {
        table.row([
            engine.name.clone(),
            yes(engine.available),
            yes(engine.default),
            engine.sample_rate.map_or_else(|| "-".to_owned(), |rate| rate.to_string()),
            yes(engine.stems),
            yes(engine.notes),
            engine.licence.clone().unwrap_or_else(|| "-".to_owned()),
            engine.reason.clone(),
        ]);
    }
    table.to_string()
}

/// The state of the server.
pub(crate) fn health(server: &str, health: &Health) -> String {
    let ready = if health.ready { "ready" } else { "not ready" };
    let queue = &health.queue;
    let mut text = format!("{server}\n");
    pairs(
        &mut text,
        &[
            ("state", format!("{}, {ready}", health.status)),
            ("version", health.version.clone()),
            ("up", clock(health.uptime_seconds)),
            (
                "device",
                format!("{} ({}), {} threads", health.device.kind, health.device.name, health.device.threads),
            ),
            (
                "queue",
                format!(
                    "{} of {} waiting, {} running, {} at a time",
                    queue.queued, queue.capacity, queue.running, queue.workers
                ),
            ),
            ("jobs in", health.store.clone()),
        ],
    );
    text + "\n" + &engines(&health.engines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_numbers_read_as_people_write_them() {
        assert_eq!((clock(0.4), clock(59.6), clock(605.0)), ("0:00".into(), "1:00".into(), "10:05".into()));
        assert_eq!(
            (number(45.0), number(12.5), number(1.0 / 3.0)),
            ("45".into(), "12.5".into(), "0.333".into())
        );
        assert_eq!((percent(0.999), percent(1.0)), ("99 %".into(), "100 %".into()));
    }

    #[test]
    fn a_status_line_tells_queue_section_and_time_left() {
        let mut status: GenerationStatus = serde_json::from_value(serde_json::json!({
            "job_id": "j", "state": "queued", "progress": 0.0, "sections": [], "queue_position": 2, "eta_seconds": null, "real_time_factor": null,
            "message": "", "warnings": [], "seed": 1, "engine": "synth", "engine_reason": "asked for", "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z", "started_at": null, "finished_at": null
        }))
        .unwrap();
        assert_eq!(status_line(&status), "queued       0 %  2 jobs before this one");
        status.state = timbre::wire::JobState::Rendering;
        status.queue_position = None;
        status.eta_seconds = Some(12.2);
        assert_eq!(
            [8.3, 0.4, 0.03].map(speed),
            ["0.12", "2.5", "33"].map(|speed| format!("{speed} times real time"))
        );
        status.progress = 0.35;
        status.sections = [("s00", "intro", 1.0), ("s01", "chorus", 0.4)]
            .map(|(id, label, progress)| timbre::wire::SectionProgress {
                id: id.into(),
                label: label.into(),
                progress,
            })
            .to_vec();
        assert_eq!(status_line(&status), "rendering   35 %  section 2 of 2, chorus, 40 %  about 0:12 left");
    }
}
