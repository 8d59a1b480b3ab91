//! Plans and results in words.

use std::fmt::Write as _;

use super::table::{clock, number, table};
use crate::{
    plan::Plan,
    wire::{LoudnessReport, Manifest, TransitionKind},
};

/// A plan: what was understood, then its sections.
pub(super) fn plan(plan: &Plan) -> String {
    let mut text = format!(
        "{}\n  {}, {} bpm, {}, {}, {} bars, {}, seed {}\n\n",
        plan.title,
        plan.style,
        number(plan.tempo_bpm, 2),
        plan.time_signature,
        plan.key,
        number(plan.total_bars, 3),
        clock(plan.duration_seconds),
        plan.seed
    );
    let rows: Vec<Vec<String>> = plan
        .sections
        .iter()
        .enumerate()
        .map(|(index, section)| {
            let join = match (index, section.transition.kind) {
                (0, _) => "start".to_owned(),
                (_, TransitionKind::Crossfade) => {
                    format!("crossfade {}", number(section.transition.beats, 2))
                }
                (_, kind) => kind.name().to_owned(),
            };
            let mut players: Vec<&str> = Vec::new();
            for name in section.orchestration.names() {
                if !players.contains(&name) {
                    players.push(name);
                }
            }
            vec![
                section.id.clone(),
                section.label.clone(),
                number(section.bars, 3),
                clock(section.start_seconds),
                clock(section.length_seconds),
                section.energy.name().to_owned(),
                join,
                players.join(", "),
            ]
        })
        .collect();
    let head = ["id", "section", "bars", "start", "length", "energy", "join", "who plays"];
    text.push_str(&table(&head, &rows, &[2, 3, 4]));
    text
}

/// Where each decision of a plan came from, and what was not understood.
pub(super) fn understanding(plan: &Plan) -> String {
    let rows: Vec<Vec<String>> = plan
        .inferred
        .iter()
        .map(|entry| {
            let because = entry.because.clone().unwrap_or_default();
            vec![entry.field.clone(), entry.value.clone(), entry.source.name().to_owned(), because]
        })
        .collect();
    let mut text = table(&["field", "became", "taken from", "because"], &rows, &[]);
    if !plan.not_understood.is_empty() {
        let _ = writeln!(text, "\n  not understood: {}", plan.not_understood.join(", "));
    }
    text
}

/// A finished piece.
pub(super) fn result(manifest: &Manifest) -> String {
    let audio = &manifest.audio;
    let channels = if audio.channels == 1 { "mono" } else { "stereo" };
    let format = format!(
        "{} ({} frames), {} Hz, {}-bit, {channels}, {:.1} MB",
        clock(audio.duration_seconds),
        audio.frames,
        audio.sample_rate,
        audio.bit_depth.name(),
        audio.bytes as f64 / 1e6
    );
    let provenance = &manifest.provenance;
    let mut facts = vec![
        ("length", format),
        ("loudness", loudness(&manifest.loudness)),
        ("true peak", peak(&manifest.loudness)),
        ("engine", format!("{} ({})", provenance.engine, provenance.engine_reason)),
        ("licence", provenance.licence.clone()),
        ("seed", provenance.seed.to_string()),
    ];
    if let Some(model) = &provenance.model {
        let part = |part: &Option<String>, before: &str| {
            part.as_ref().map_or(String::new(), |part| format!("{before}{part}"))
        };
        let how = part(&provenance.dtype, ", ") + &part(&provenance.device, " on ");
        facts.insert(4, ("model", format!("{model}{how}")));
    }
    facts.extend(manifest.loudness.note.iter().map(|note| ("note", note.clone())));
    facts.extend(manifest.warnings.iter().map(|warning| ("warning", warning.clone())));
    facts.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "  {name:<10} {value}");
        text
    })
}

fn loudness(report: &LoudnessReport) -> String {
    let measured = report.integrated_lufs.map_or("not defined".to_owned(), |lufs| format!("{lufs:.1} LUFS"));
    let range = report.range_lu.map_or(String::new(), |range| format!(", range {range:.1} LU"));
    let target = if report.on_target { "on" } else { "not on" };
    format!("{measured} ({target} the target of {} LUFS){range}", number(report.target_lufs, 1))
}

fn peak(report: &LoudnessReport) -> String {
    let measured = report.true_peak_dbtp.map_or("none".to_owned(), |peak| format!("{peak:.1} dBTP"));
    format!(
        "{measured} (ceiling {} dBTP, the limiter took {:.1} dB)",
        number(report.ceiling_dbtp, 1),
        report.limited_db
    )
}
