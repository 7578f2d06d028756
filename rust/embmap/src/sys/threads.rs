//! Threads for one call: a scope each time, because a pool that outlives the call hangs in a forked child.
//!
//! Where the system makes no more threads, those that there are do the work: every thread takes the next piece that nobody has
//! taken, and the caller's is one of them.

use std::{
    num::NonZero,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, Scope, ScopedJoinHandle},
    time::Duration,
};

use crate::error::{Error, Result};

/// Between two calls of the caller's tick: well under the half second in which Ctrl-C must answer.
pub(crate) const TICK: Duration = Duration::from_millis(50);

/// As many threads as this process may run at once, or as the caller asked for.
#[must_use]
pub fn threads(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get)).max(1)
}

/// Calls `work` on equal runs of `inputs`, each with its `width` outputs an input and the position of its first input, on
/// threads that have about `least` inputs each or more. The first error in input order wins.
pub(crate) fn in_parts<A: Sync, B: Send, E: Send>(
    inputs: &[A],
    outputs: &mut [B],
    width: usize,
    least: usize,
    work: impl Fn(usize, &[A], &mut [B]) -> Result<(), E> + Sync,
) -> Result<(), E> {
    // Asking the system how many threads there are takes longer than a small request.
    let most = inputs.len() / least.max(1);
    let parts = if most <= 1 || width == 0 { 1 } else { threads(None).min(most) };
    if parts == 1 {
        return work(0, inputs, outputs);
    }
    let run = inputs.len().div_ceil(parts);
    let mut pieces: Vec<_> = inputs
        .chunks(run)
        .zip(outputs.chunks_mut(run * width))
        .enumerate()
        .map(|(i, (inputs, outputs))| (i * run, inputs, outputs, Ok(())))
        .collect();
    let done: Result<(), std::convert::Infallible> =
        for_each(Some(parts), &mut pieces, |(start, inputs, outputs, result)| {
            *result = work(*start, inputs, outputs);
            Ok(())
        });
    let Ok(()) = done;
    pieces.into_iter().try_for_each(|(_, _, _, result)| result)
}

/// Calls `work` on blocks of `size` inputs, each with its `width` outputs an input, on whichever thread is free next: for work
/// that waits for memory, where a thread that is held up must not hold up the call.
pub(crate) fn in_blocks<A: Sync, B: Send>(
    inputs: &[A],
    outputs: &mut [B],
    width: usize,
    size: usize,
    work: impl Fn(&[A], &mut [B]) + Sync,
) {
    if inputs.len() <= size || width == 0 {
        return work(inputs, outputs);
    }
    let mut blocks: Vec<_> = inputs.chunks(size).zip(outputs.chunks_mut(size * width)).collect();
    let done: Result<(), std::convert::Infallible> = for_each(None, &mut blocks, |(inputs, outputs)| {
        work(inputs, outputs);
        Ok(())
    });
    let Ok(()) = done;
}

/// Calls `work` on each of `items`, whichever of so many threads is free next; any of the errors wins.
pub(crate) fn for_each<A: Send, E: Send>(
    asked: Option<usize>,
    items: &mut [A],
    work: impl Fn(&mut A) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let workers = threads(asked).min(items.len());
    if workers <= 1 {
        return items.iter_mut().try_for_each(work);
    }
    let queue = Mutex::new(items.iter_mut());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        let run = || std::iter::from_fn(next).try_for_each(&work);
        let others: Vec<_> = (1..workers).map_while(|_| spawn(scope, run)).collect();
        join_all(run(), others)
    })
}

/// One more thread, where the system makes one.
pub(crate) fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Option<ScopedJoinHandle<'scope, T>> {
    thread::Builder::new().spawn_scoped(scope, work).ok()
}

/// Waits for all threads; the first error of `mine` and theirs, in order. A panic of theirs goes on in this thread.
pub(crate) fn join_all<E>(mine: Result<(), E>, others: Vec<ScopedJoinHandle<'_, Result<(), E>>>) -> Result<(), E> {
    others.into_iter().fold(mine, |result, other| {
        let other = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        result.and(other)
    })
}

/// Runs `work` on a thread of its own while the caller's thread answers; `stop` tells it that it need not go on.
pub(crate) fn while_ticking<T: Send>(
    stop: &AtomicBool,
    work: impl FnOnce() -> Result<T> + Send,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<T> {
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        // The sender goes with the thread, so that a panic is heard here. The receiver outlives the thread.
        let worker = move || {
            let _ = sender.send(work());
        };
        let worker = thread::Builder::new().spawn_scoped(scope, worker).map_err(Error::NoThread)?;
        loop {
            match receiver.recv_timeout(TICK) {
                Ok(result) => return result,
                Err(mpsc::RecvTimeoutError::Disconnected) => match worker.join() {
                    Ok(()) => return Err(Error::Cancelled),
                    Err(panic) => std::panic::resume_unwind(panic),
                },
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    // Once told to stop, the caller is not asked again.
                    if !stop.load(Ordering::Relaxed) && !go_on() {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_work_reaches_the_caller() {
        let panicking = || -> Result<()> { panic!("of the work") };
        let caught = std::panic::catch_unwind(|| while_ticking(&AtomicBool::new(false), panicking, &mut || true));
        assert_eq!(caught.expect_err("a panic").downcast_ref(), Some(&"of the work"));
    }
}
