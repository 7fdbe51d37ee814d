//! Ranks that are threads of one process.

use std::cell::RefCell;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::{Collective, CollectiveError};

/// A rank among threads of this process: for tests, and for several devices in one process.
///
/// It can be moved to a thread but not shared between threads. A rank that drops it, by a panic too, lets the others go
/// on with an error instead of waiting for ever, and so does one that lets them wait for longer than the
/// [timeout](Self::with_timeout). After an error every further exchange of that rank fails with the same one.
#[derive(Debug)]
pub struct InProcess {
    rank: usize,
    to: Vec<Sender<Vec<u8>>>,
    from: Vec<Receiver<Vec<u8>>>,
    timeout: Duration,
    /// Set once messages may be out of step.
    failed: RefCell<Option<CollectiveError>>,
}

impl InProcess {
    /// A group of `size` ranks, in order.
    pub fn group(size: usize) -> Vec<Self> {
        let ranks = (0..size).map(|rank| Self {
            rank,
            to: Vec::with_capacity(size),
            from: Vec::with_capacity(size),
            timeout: Duration::from_mins(10),
            failed: RefCell::new(None),
        });
        let mut ranks: Vec<Self> = ranks.collect();
        for from in 0..size {
            for to in 0..size {
                let (sender, receiver) = channel();
                ranks[from].to.push(sender);
                ranks[to].from.push(receiver);
            }
        }
        ranks
    }

    /// How long to wait for the message of another rank. Default: ten minutes.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    fn try_exchange(&self, messages: &[&[u8]]) -> Result<Vec<Vec<u8>>, CollectiveError> {
        for (rank, (to, message)) in self.to.iter().zip(messages).enumerate() {
            to.send(message.to_vec())
                .map_err(|_| CollectiveError::Left { rank })?;
        }
        let receive = |(rank, from): (usize, &Receiver<_>)| {
            from.recv_timeout(self.timeout)
                .map_err(|error| match error {
                    RecvTimeoutError::Disconnected => CollectiveError::Left { rank },
                    RecvTimeoutError::Timeout => CollectiveError::TimedOut {
                        rank,
                        timeout: self.timeout,
                    },
                })
        };
        self.from.iter().enumerate().map(receive).collect()
    }
}

impl Collective for InProcess {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.to.len()
    }

    fn exchange(&self, messages: &[&[u8]]) -> Result<Vec<Vec<u8>>, CollectiveError> {
        let size = self.size();
        if messages.len() != size {
            let messages = messages.len();
            return Err(CollectiveError::MessageCount { size, messages });
        }
        if let Some(error) = &*self.failed.borrow() {
            return Err(error.clone());
        }
        let received = self.try_exchange(messages);
        if let Err(error) = &received {
            *self.failed.borrow_mut() = Some(error.clone());
        }
        received
    }
}
