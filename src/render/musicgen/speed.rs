//! How fast this machine was with a model, kept beside it: the first estimates of how long a job takes start from it.

use std::{
    fs,
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    sync::Once,
};

use serde::{Deserialize, Serialize};

use super::kept::readable;

/// In the model's directory.
const FILE: &str = "timbre-speed.json";

/// How a model is played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// What it computes on: `cpu`.
    pub device: String,
    /// How its matrices are kept: `q8_0`.
    pub dtype: String,
    /// Processor threads.
    pub threads: usize,
}

/// What was measured of one way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Speed {
    #[serde(flatten)]
    way: Way,
    /// Seconds of work for a second of music, of one piece at a time.
    real_time_factor: f64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Speeds {
    speeds: Vec<Speed>,
}

/// Keeps what was measured beside the model, in the file that is returned; what is known of other ways stays.
///
/// # Errors
/// When the directory cannot be written.
pub fn keep(directory: &Path, way: Way, real_time_factor: f64) -> io::Result<PathBuf> {
    let mut speeds = read(directory);
    speeds.speeds.retain(|speed| speed.way != way);
    speeds.speeds.push(Speed { way, real_time_factor });
    let mut file = readable().tempfile_in(directory)?;
    serde_json::to_writer_pretty(&mut file, &speeds)?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    let kept = directory.join(FILE);
    file.persist(&kept)?;
    Ok(kept)
}

/// Seconds of work for a second of music, when this way was measured.
pub(super) fn find(directory: &Path, way: &Way) -> Option<f64> {
    let speeds = read(directory).speeds;
    let found = speeds.into_iter().find(|speed| speed.way == *way)?.real_time_factor;
    (found.is_finite() && found > 0.0).then_some(found)
}

fn read(directory: &Path) -> Speeds {
    let file = directory.join(FILE);
    let speeds = match fs::read(&file) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
        Err(error) if error.kind() == ErrorKind::NotFound => return Speeds::default(),
        Err(error) => Err(error),
    };
    speeds.unwrap_or_else(|error| {
        // It is read for every request; once is enough to hear of it.
        static WARNED: Once = Once::new();
        WARNED.call_once(|| {
            tracing::warn!(%error, file = %file.display(), "what was measured of the model cannot be read; measure again");
        });
        Speeds::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(dtype: &str, threads: usize) -> Way {
        Way { device: "cpu".into(), dtype: dtype.into(), threads }
    }

    #[test]
    fn each_way_has_a_speed_of_its_own_and_the_last_one_counts() {
        let directory = tempfile::tempdir().unwrap();
        let (here, find) = (directory.path(), |way: &Way| find(directory.path(), way));
        assert_eq!(find(&way("q8_0", 2)), None);
        keep(here, way("q8_0", 2), 1.5).unwrap();
        keep(here, way("f32", 2), 7.0).unwrap();
        keep(here, way("q8_0", 4), 0.8).unwrap();
        keep(here, way("q8_0", 2), 1.25).unwrap();
        let found = [("q8_0", 2), ("f32", 2), ("q8_0", 4), ("f32", 4)]
            .map(|(dtype, threads)| find(&way(dtype, threads)));
        assert_eq!(found, [Some(1.25), Some(7.0), Some(0.8), None]);
        assert_eq!(fs::read_dir(here).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_read_says_nothing_and_is_written_anew() {
        let directory = tempfile::tempdir().unwrap();
        for bad in ["", "{", r#"{"speeds": [{"device": "cpu"}]}"#] {
            fs::write(directory.path().join(FILE), bad).unwrap();
            assert_eq!(find(directory.path(), &way("q8_0", 2)), None, "{bad}");
        }
        keep(directory.path(), way("q8_0", 2), -1.0).unwrap();
        assert_eq!(find(directory.path(), &way("q8_0", 2)), None, "no machine is that fast");
        keep(directory.path(), way("q8_0", 2), 2.0).unwrap();
        assert_eq!(find(directory.path(), &way("q8_0", 2)), Some(2.0));
    }
}
