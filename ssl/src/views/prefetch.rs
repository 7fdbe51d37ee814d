use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Builder, JoinHandle};

/// An iterator that runs ahead on a thread of its own, so that whoever takes its items need not wait for them.
///
/// Items keep their order; those that are [`Result`]s carry their errors. A panic of the iterator goes on in the thread that
/// asks for the item. Dropping ends the thread, after the item it is at work on. Work that the iterator shares out by rayon
/// runs in the global pool.
///
/// # Examples
/// ```
/// use metric_ssl::views::Prefetch;
///
/// let squares = Prefetch::new(2, (0..4).map(|i| i * i))?;
/// assert_eq!(squares.collect::<Vec<_>>(), [0, 1, 4, 9]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Prefetch<T> {
    items: Option<Receiver<T>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Prefetch<T> {
    /// Starts to take items out of `source`: at most `depth` wait, and one more is made. With a depth of 0 each waits until
    /// it is asked for.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn new<I>(depth: usize, source: I) -> std::io::Result<Self>
    where
        I: IntoIterator<Item = T> + Send + 'static,
    {
        let (sender, items) = sync_channel(depth);
        let work = move || {
            for item in source {
                // Nobody waits for it any more.
                if sender.send(item).is_err() {
                    return;
                }
            }
        };
        let thread = Builder::new().name("prefetch".into()).spawn(work)?;
        Ok(Self {
            items: Some(items),
            thread: Some(thread),
        })
    }
}

impl<T> Iterator for Prefetch<T> {
    type Item = T;

    /// # Panics
    /// If the source did.
    fn next(&mut self) -> Option<T> {
        if let Ok(item) = self.items.as_ref()?.recv() {
            return Some(item);
        }
        self.items = None;
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            resume_unwind(panic);
        }
        None
    }
}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        // The thread fails to send, and ends.
        self.items = None;
        if let Some(thread) = self.thread.take() {
            // A panic that nobody asked about ends here.
            drop(thread.join());
        }
    }
}
