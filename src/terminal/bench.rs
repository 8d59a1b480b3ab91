//! `timbre bench`: how fast a model would be on this machine.

use std::{ops::ControlFlow, path::PathBuf};

use clap::Args;
use serde::Serialize;

use super::{Failure, models::ModelsError, print, print_json, say, table::table};
use crate::{
    config::Rendering,
    models::size,
    render::musicgen::{
        catalogue::KNOWN,
        config::Config,
        hardware::Kind,
        measure::{EARLY_FRAME, LATE_FRAME, Measured, PIECES, measure},
        precision::Precision,
        speed::{self, Way},
        store::Found,
    },
};

/// What to measure.
#[derive(Clone, Debug, Args)]
pub(super) struct Bench {
    /// A published model, whose sizes are taken, or the directory of one. It need not be on this machine; if it is, estimates of how
    /// long jobs take start from what is measured. Default: the default model, or facebook/musicgen-small.
    #[arg(value_name = "MODEL")]
    model: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Say nothing while measuring.
    #[arg(short, long)]
    quiet: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    model: &'a str,
    dtype: String,
    threads: usize,
    /// What plays here unless a request says otherwise.
    auto: Auto,
    pieces: Vec<Row>,
    early_frame: usize,
    early_step_seconds: f64,
    late_frame: usize,
    late_step_seconds: f64,
    codec_real_time_factor: f64,
    weights_bytes: u64,
    piece_bytes: u64,
    /// Where it is kept for the first estimates.
    kept: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Auto {
    device: &'static str,
    dtype: String,
    reason: String,
}

#[derive(Debug, Serialize)]
struct Row {
    pieces: usize,
    steps_per_second: f64,
    real_time_factor: f64,
}

/// Keeps the pace of one piece beside the model; where that cannot be, the log says why.
fn keep(found: &Found, way: Way, measured: &Measured) -> Option<PathBuf> {
    let alone = measured.paces.iter().find(|pace| pace.pieces == 1)?;
    speed::keep(&found.directory, way, alone.real_time_factor)
        .inspect_err(|error| tracing::warn!(%error, directory = %found.directory.display(), "what was measured cannot be kept"))
        .ok()
}

impl Bench {
    pub(super) fn run(&self, rendering: &Rendering) -> Result<(), Failure> {
        let settings = rendering.musicgen()?;
        let asked = self.model.as_deref().or(settings.default_model.as_deref());
        let model = asked.unwrap_or(KNOWN[0].id);
        let here = settings.store.find(model).ok();
        if settings.hardware.kind() != Kind::Cpu {
            return Err(ModelsError::NotMeasured(settings.hardware.kind().name()).into());
        }
        let config = match (&here, KNOWN.iter().find(|known| known.id == model)) {
            (Some(found), _) => Config::open(&found.directory),
            (None, Some(known)) => known.config(),
            (None, None) => return Err(ModelsError::Unpublished(model.to_owned()).into()),
        };
        let config = config.map_err(|error| ModelsError::unsound(model, error.into()))?;
        let mut progress = |what: &str| {
            if !self.quiet {
                say(&format!("measuring {what} ..."));
            }
            ControlFlow::Continue(())
        };
        let measured = measure(&config, settings.precision, &mut progress)
            .map_err(|error| ModelsError::unsound(model, error))?;
        let kept = here.and_then(|found| keep(&found, settings.way(), &measured));
        let rows = measured.paces.iter().map(|pace| Row {
            pieces: pace.pieces,
            steps_per_second: 1.0 / pace.step_seconds,
            real_time_factor: pace.real_time_factor,
        });
        let report = Report {
            model,
            dtype: settings.precision.to_string(),
            threads: settings.threads,
            auto: Auto {
                device: settings.hardware.kind().name(),
                dtype: Precision::fastest_on(settings.hardware.kind()).to_string(),
                reason: settings.hardware.why().to_owned(),
            },
            pieces: rows.collect(),
            early_frame: EARLY_FRAME,
            early_step_seconds: measured.early_step_seconds,
            late_frame: LATE_FRAME,
            late_step_seconds: measured.late_step_seconds,
            codec_real_time_factor: measured.codec_real_time_factor,
            weights_bytes: measured.weights_bytes,
            piece_bytes: measured.piece_bytes,
            kept,
        };
        if self.json { print_json(&report) } else { print(&report.text(&measured)) }
    }
}

impl Report<'_> {
    fn text(&self, measured: &Measured) -> String {
        let head = ["pieces at a time", "steps/s", "work per second of music", ""];
        let rows: Vec<Vec<String>> = self
            .pieces
            .iter()
            .map(|row| {
                let verdict =
                    if row.real_time_factor < 1.0 { "faster than it plays" } else { "slower than it plays" };
                vec![
                    row.pieces.to_string(),
                    format!("{:.1}", row.steps_per_second),
                    format!("{:.2} s", row.real_time_factor),
                    verdict.to_owned(),
                ]
            })
            .collect();
        let (first, threads) = (PIECES[0], self.threads);
        format!(
            "{} in {} on {threads} threads, with random weights of its size\n\n{}\n\
             a step of {first} piece: {:.1} ms at frame {}, {:.1} ms at frame {} ({:.2} times)\n\
             codec: {:.3} s for a second of one channel\n\
             memory: {} for the weights, {} more for a piece of 30 s\n\
             auto takes {} in {} here ({})\n\
             {}\n",
            self.model,
            self.dtype,
            table(&head, &rows, &[0, 1, 2]),
            1e3 * measured.early_step_seconds,
            EARLY_FRAME,
            1e3 * measured.late_step_seconds,
            LATE_FRAME,
            measured.late_step_seconds / measured.early_step_seconds,
            self.codec_real_time_factor,
            size(self.weights_bytes),
            size(self.piece_bytes),
            self.auto.device,
            self.auto.dtype,
            self.auto.reason,
            match &self.kept {
                Some(file) =>
                    format!("kept in {}: the first estimates of jobs start from it", file.display()),
                None => "not kept, as there is no directory of this model that can be written".to_owned(),
            },
        )
    }
}
