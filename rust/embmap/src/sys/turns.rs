//! Threads that each do a part of some work side by side, and take turns where the order of the parts matters.
//!
//! A part has a number. Whoever has done what can be done in any order waits for the turn of its part, does what is left, and passes
//! the turn on. The first failure ends the work of all.

use std::{
    io,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    error::{Error, Result},
    sys::threads::{TICK, spawn},
};

/// Between two calls to the system to write what is there already.
const FLUSH: Duration = Duration::from_millis(20);

/// What one thread at a time may change.
pub(crate) struct Ordered<T> {
    /// What the parts make together.
    pub state: T,
    /// The part whose turn it is.
    turn: u64,
    running: usize,
    failure: Option<Error>,
}

impl<T> Ordered<T> {
    /// Whether the work has failed.
    pub fn has_failed(&self) -> bool {
        self.failure.is_some()
    }
}

/// The turns of one piece of work.
pub(crate) struct Turns<'a, T> {
    ordered: Mutex<Ordered<T>>,
    /// What somebody waits for may have come.
    changed: Condvar,
    /// A thread has left.
    left: Condvar,
    stop: &'a AtomicBool,
}

/// How a piece of work is done.
pub(crate) struct Work<W, F, G> {
    /// Threads that do it.
    pub threads: usize,
    /// Whether there is so much to write that `flush` is worth a thread.
    pub flushes: bool,
    /// What each of them does, until there are no more parts or it is told to stop.
    pub work: W,
    /// Has the disk begin with what has been written, so that the sync at the end waits for little.
    pub flush: F,
    /// What the caller's thread does about twenty times a second meanwhile; it returns whether to go on.
    pub watch: G,
}

impl<'a, T: Send> Turns<'a, T> {
    /// The first turn is that of part 0. Whoever sets `stop` has every thread leave.
    pub fn new(state: T, stop: &'a AtomicBool) -> Self {
        let ordered = Ordered { state, turn: 0, running: 0, failure: None };
        Turns { ordered: Mutex::new(ordered), changed: Condvar::new(), left: Condvar::new(), stop }
    }

    /// Does the work; returns when the last thread that works has left. `no_thread` is the error where there is not even one.
    pub fn run<W, F, G>(&self, work: Work<W, F, G>, no_thread: impl FnOnce(io::Error) -> Error) -> Instant
    where
        W: Fn() -> Result<()> + Sync,
        F: FnMut() -> Result<()> + Send,
        G: FnMut() -> bool,
    {
        let Work { threads, flushes, work, flush, watch } = work;
        self.lock().running = threads;
        thread::scope(|scope| {
            for i in 0..threads {
                if let Err(error) = thread::Builder::new().spawn_scoped(scope, || self.work(&work)) {
                    let mut ordered = self.lock();
                    ordered.running -= threads - i;
                    if i == 0 {
                        self.fail(&mut ordered, no_thread(error));
                    }
                    break;
                }
            }
            if flushes {
                // Without this thread the sync at the end waits longer, and that is all.
                spawn(scope, || self.flush(flush));
            }
            self.watch(watch);
            Instant::now()
        })
    }

    /// What the parts have made, unless one has failed.
    pub fn finish(self) -> Result<T> {
        let Ordered { state, failure, .. } = self.ordered.into_inner().unwrap_or_else(PoisonError::into_inner);
        failure.map_or(Ok(state), Err)
    }

    /// What is ordered, out of turn.
    pub fn lock(&self) -> MutexGuard<'_, Ordered<T>> {
        self.ordered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is the turn of `part`; `None` when the work stops before.
    pub fn turn_of(&self, part: u64) -> Option<MutexGuard<'_, Ordered<T>>> {
        let mut ordered = self.lock();
        while !self.stop.load(Ordering::Relaxed) {
            if ordered.turn == part {
                return Some(ordered);
            }
            ordered = self.wait(ordered);
        }
        None
    }

    /// Gives the turn to the next part.
    pub fn pass(&self, mut ordered: MutexGuard<'_, Ordered<T>>) {
        ordered.turn += 1;
        drop(ordered);
        self.changed.notify_all();
    }

    /// Waits until something may have changed.
    pub fn wait<'g>(&self, ordered: MutexGuard<'g, Ordered<T>>) -> MutexGuard<'g, Ordered<T>> {
        self.changed.wait_timeout(ordered, TICK).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Wakes whoever waits for a change.
    pub fn notify(&self) {
        self.changed.notify_all();
    }

    /// Whether threads should leave.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Has every thread leave, with nothing wrong.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Notes the first failure and has every thread leave.
    fn fail(&self, ordered: &mut Ordered<T>, error: Error) {
        ordered.failure.get_or_insert(error);
        self.stop();
        self.notify();
    }

    /// One thread's share.
    fn work(&self, work: &impl Fn() -> Result<()>) {
        // Leaving, whichever way, a panic included, the thread must not leave the others waiting.
        struct Leaving<'t, 'a, T: Send>(&'t Turns<'a, T>);
        impl<T: Send> Drop for Leaving<'_, '_, T> {
            fn drop(&mut self) {
                let mut ordered = self.0.lock();
                if thread::panicking() {
                    self.0.fail(&mut ordered, Error::Cancelled);
                }
                ordered.running -= 1;
                self.0.notify();
                self.0.left.notify_all();
            }
        }
        let _leaving = Leaving(self);
        if let Err(error) = work() {
            self.fail(&mut self.lock(), error);
        }
    }

    /// Runs on the caller's thread until the others are through.
    fn watch(&self, mut watch: impl FnMut() -> bool) {
        let mut ordered = self.lock();
        let mut go_on = true;
        while ordered.running > 0 {
            ordered = self.left.wait_timeout(ordered, TICK).unwrap_or_else(PoisonError::into_inner).0;
            if !go_on {
                continue;
            }
            drop(ordered);
            go_on = watch();
            ordered = self.lock();
            if !go_on {
                self.fail(&mut ordered, Error::Cancelled);
            }
        }
    }

    /// Flushes while the threads go on. A sync that fails may have lost what it was to write, so it is not tried again: the work
    /// has failed.
    fn flush(&self, mut flush: impl FnMut() -> Result<()>) {
        let mut ordered = self.lock();
        while ordered.running > 0 {
            ordered = self.left.wait_timeout(ordered, FLUSH).unwrap_or_else(PoisonError::into_inner).0;
            if ordered.running == 0 {
                // What is left is for whoever finishes the file, and may have more to write.
                return;
            }
            drop(ordered);
            let flushed = flush();
            ordered = self.lock();
            if let Err(error) = flushed {
                return self.fail(&mut ordered, error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    fn run(parts: u64, part: impl Fn(u64) -> Result<()> + Sync) -> Result<Vec<u64>> {
        let (stop, next) = (AtomicBool::new(false), AtomicU64::new(0));
        let turns = Turns::new(Vec::new(), &stop);
        let work = || {
            while !turns.stopped() {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= parts {
                    break;
                }
                let done = part(i);
                let Some(mut ordered) = turns.turn_of(i) else { break };
                done?;
                ordered.state.push(i);
                turns.pass(ordered);
            }
            Ok(())
        };
        turns.run(Work { threads: 4, flushes: false, work, flush: || Ok(()), watch: || true }, Error::io("parts"));
        turns.finish()
    }

    #[test]
    fn parts_come_in_order_and_the_first_failure_of_them_wins() {
        assert_eq!(run(1000, |_| Ok(())).expect("parts"), (0..1000).collect::<Vec<u64>>());
        let failed = run(1000, |i| if i >= 500 { Err(Error::Argument(i.to_string())) } else { Ok(()) });
        assert!(matches!(failed, Err(Error::Argument(part)) if part == "500"));
    }

    #[test]
    fn a_panic_leaves_nobody_waiting() {
        let panicked = std::panic::catch_unwind(|| run(100, |i| if i == 50 { panic!("part 50") } else { Ok(()) }));
        assert!(panicked.is_err());
    }
}
