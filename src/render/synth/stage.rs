//! Renders the tracks of a section on several threads and sums them in their order, so that the number of threads changes nothing.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use super::{
    console::Console,
    mixdown::{Bus, Desk},
    spares::Spares,
    track::{Span, Stereo, Track},
};
use crate::render::Watch;

/// How often the watch hears of progress.
const REPORT_EVERY: Duration = Duration::from_millis(60);

/// Those who render and the one who watches.
pub(super) struct Stage<'a> {
    pub(super) threads: NonZeroUsize,
    pub(super) spares: &'a Spares,
    pub(super) watch: &'a dyn Watch,
}

/// What has been done and whether to go on.
#[derive(Default)]
struct Progress {
    done: AtomicUsize,
    stopped: AtomicBool,
}

impl Progress {
    fn goes_on(&self) -> bool {
        self.done.fetch_add(1, Ordering::Relaxed);
        !self.stopped.load(Ordering::Relaxed)
    }
}

impl Stage<'_> {
    /// The mix, and the sound of each group when `stems` are wanted. `None` when the watch said stop.
    pub(super) fn perform(
        &self,
        tracks: &[Track],
        span: Span,
        console: &Console,
        stems: bool,
    ) -> Option<(Stereo, Vec<Option<Stereo>>)> {
        let buses = if stems { 1 + tracks.len() } else { 1 };
        let notes: usize = tracks.iter().map(|track| track.weight(span)).sum();
        let total = notes + buses * (span.total / (1 << 14) + 1);
        let progress = Progress::default();
        let desk = self.each(
            tracks,
            |track| track.render(span, console, self.spares, &|| progress.goes_on()),
            &progress,
            total,
            Desk::new(span.total, stems),
            |desk, number, sound| {
                desk.add(tracks[number].instrument(), sound, self.spares);
            },
        )?;
        let (mix, buses) = desk.into_buses();
        let glue = console.glue(&mix);
        let groups = buses.len();
        let numbered: Vec<(usize, Bus)> = std::iter::once((groups, mix))
            .chain(buses.into_iter().enumerate().filter_map(|(number, bus)| Some((number, bus?))))
            .collect();
        let numbers: Vec<usize> = numbered.iter().map(|(number, _)| *number).collect();
        // Each bus is taken by whoever finishes it, and gone when that is done: they are the largest that a section holds.
        let buses: Vec<Mutex<Option<Bus>>> =
            numbered.into_iter().map(|(_, bus)| Mutex::new(Some(bus))).collect();
        let empty: (Option<Stereo>, Vec<Option<Stereo>>) = (None, vec![None; groups]);
        let (mix, groups) = self.each(
            &buses,
            |bus| {
                let bus = bus.lock().ok()?.take()?;
                let (sound, spare) = bus.finish(console, &glue, span.start, &|| progress.goes_on())?;
                self.spares.put(spare);
                Some(sound)
            },
            &progress,
            total,
            empty,
            |(mix, groups), number, sound| match groups.get_mut(numbers[number]) {
                Some(slot) => *slot = Some(sound),
                None => *mix = Some(sound),
            },
        )?;
        self.watch.progress(1.0).is_continue().then_some(())?;
        Some((mix?, groups))
    }

    /// Does `work` on every item, and `collect`s what comes of it in the order of the items.
    fn each<T: Sync, R: Send, C>(
        &self,
        items: &[T],
        work: impl Fn(&T) -> Option<R> + Sync,
        progress: &Progress,
        total: usize,
        mut collected: C,
        mut collect: impl FnMut(&mut C, usize, R),
    ) -> Option<C> {
        let next = AtomicUsize::new(0);
        let workers = self.threads.get().min(items.len());
        let (done, results) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..workers {
                let (done, next, work) = (done.clone(), &next, &work);
                scope.spawn(move || {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some(item) = items.get(number) else { break };
                        let Some(result) = work(item) else { break };
                        if done.send((number, result)).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(done);
            let mut waiting = BTreeMap::new();
            let mut turn = 0;
            loop {
                let share = progress.done.load(Ordering::Relaxed) as f64 / total as f64;
                if self.watch.progress(share.min(0.99)).is_break() {
                    progress.stopped.store(true, Ordering::Relaxed);
                    return None;
                }
                match results.recv_timeout(REPORT_EVERY) {
                    Ok((number, result)) => {
                        waiting.insert(number, result);
                        while let Some(result) = waiting.remove(&turn) {
                            collect(&mut collected, turn, result);
                            turn += 1;
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            (turn == items.len()).then_some(collected)
        })
    }
}
