//! Taking one item: compare, fetch, store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use mailkeep_exchange::{Source, SourceError, SourceItem};
use mailkeep_model::{FailureClass, SourceMailboxId};
use mailkeep_ports::Clock;
use mailkeep_vault::{
    ContentHead, ItemVersion, MailboxWriter, StoreContentError, StoredContent, VaultError,
};

use super::exports::Exports;
use super::halt::{Halt, Verdict, judge};
use super::timing::{Timing, Waits};

/// How often content is read when its stream breaks.
const ATTEMPTS: u32 = 3;

/// What became of an item.
#[derive(Debug)]
pub(super) enum Taken {
    /// The vault had this very version.
    Unchanged,
    /// Only metadata was stored: flag, read state, move.
    Updated,
    /// Content was stored.
    Stored,
    /// The vault has an older version, and the rules leave the new one out.
    LeftOut,
    /// The item disappeared meanwhile.
    Gone,
    /// It could not be read. `true` when a later attempt may do better.
    Failed(SourceError, bool),
    /// The mailbox must end.
    Halt(Halt),
}

/// What is believed of an item without reading its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Belief {
    /// That it is unchanged or merely moved, when the source says so.
    All,
    /// The same, and that is all that is taken: the rules leave its content out.
    OnlyMoves,
    /// Nothing about its content, which is read and compared.
    AllButContent,
    /// Nothing: an earlier attempt failed.
    Nothing,
}

/// Takes items of one mailbox, several at once.
pub(super) struct Taker {
    pub(super) source: Arc<dyn Source>,
    pub(super) writer: Arc<MailboxWriter>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) mailbox: SourceMailboxId,
    /// Bytes of content read so far.
    pub(super) bytes_read: AtomicU64,
    /// What time went by with.
    pub(super) timing: Timing,
    /// Lossless forms.
    pub(super) exports: Exports,
}

impl Taker {
    /// True when the vault has this version of the item, in this folder.
    pub(super) fn is_stored(&self, item: &SourceItem) -> bool {
        self.writer.known(&item.item.id).is_some_and(|known| {
            known.is_same_version(&item.item) && known.folder == item.item.folder
        })
    }

    /// True when the vault has some version of the item.
    pub(super) fn is_known(&self, item: &SourceItem) -> bool {
        self.writer.known(&item.item.id).is_some()
    }

    /// Takes one item.
    pub(super) async fn take(&self, item: &SourceItem, belief: Belief) -> Taken {
        let is_trusted = matches!(belief, Belief::All | Belief::OnlyMoves);
        if is_trusted && self.is_stored(item) {
            return Taken::Unchanged;
        }
        match self.store(item, belief).await {
            Ok(taken) => taken,
            Err(error) => Taken::Halt(Halt::Vault(error)),
        }
    }

    async fn store(&self, item: &SourceItem, belief: Belief) -> Result<Taken, VaultError> {
        let id = &item.item.id;
        let previous = match self.writer.known(id) {
            Some(_) => self.writer.current(self.writer.key(id)).await?,
            None => None,
        };
        if let Some(previous) = &previous
            && matches!(belief, Belief::All | Belief::OnlyMoves)
            && is_same_content(item, previous)
            && let Some(content) = &previous.content
        {
            self.writer.put_item(item.item.clone(), *content);
            return Ok(Taken::Updated);
        }
        if belief == Belief::OnlyMoves {
            return Ok(Taken::LeftOut);
        }
        let stored = match self.fetch_patiently(item, previous.as_ref()).await? {
            Ok(stored) => stored,
            Err(taken) => return Ok(taken),
        };
        let was_unchanged = stored.was_unchanged;
        if was_unchanged && belief == Belief::AllButContent && self.is_stored(item) {
            return Ok(Taken::Unchanged);
        }
        self.writer.put_item(item.item.clone(), stored);
        Ok(if was_unchanged {
            Taken::Updated
        } else {
            Taken::Stored
        })
    }

    /// Fetches and stores the content, several times when its stream breaks.
    async fn fetch_patiently(
        &self,
        item: &SourceItem,
        previous: Option<&ItemVersion>,
    ) -> Result<Result<StoredContent, Taken>, VaultError> {
        let mut attempt = 1;
        loop {
            let is_last = attempt >= ATTEMPTS;
            let taken = match self.fetch(item, previous, is_last).await? {
                Ok(stored) => return Ok(Ok(stored)),
                Err(Failure::Content(error)) => failed(error),
                Err(Failure::Stream(error)) => match judge(error) {
                    Verdict::Passing(_) if attempt < ATTEMPTS => {
                        self.clock.sleep(Duration::from_secs(1 << attempt)).await;
                        attempt += 1;
                        continue;
                    }
                    Verdict::Halt(halt) => Taken::Halt(halt),
                    Verdict::Gone => Taken::Gone,
                    Verdict::Passing(error) => Taken::Failed(error, true),
                    Verdict::Resync(error) | Verdict::Permanent(error) => {
                        Taken::Failed(error, false)
                    }
                },
            };
            return Ok(Err(taken));
        }
    }

    /// Takes an item whose content the vault lost. Whatever of it is still there is not believed in; all
    /// versions with this very content get it back.
    pub(super) async fn take_again(&self, item: &SourceItem) -> Taken {
        let stored = match self.fetch_patiently(item, None).await {
            Ok(Ok(stored)) => stored,
            Ok(Err(taken)) => return taken,
            Err(error) => return Taken::Halt(Halt::Vault(error)),
        };
        let key = self.writer.key(&item.item.id);
        match self.writer.heal(key, &stored).await {
            Ok(is_healed) => {
                if !(is_healed && self.is_stored(item)) {
                    self.writer.put_item(item.item.clone(), stored);
                }
                Taken::Stored
            }
            Err(error) => Taken::Halt(Halt::Vault(error)),
        }
    }

    async fn fetch(
        &self,
        item: &SourceItem,
        previous: Option<&ItemVersion>,
        is_last: bool,
    ) -> Result<Result<StoredContent, Failure>, VaultError> {
        let asked = self.source.content(&self.mailbox, &item.item);
        let content = match self.waiting(asked).await {
            Ok(content) => content,
            Err(error) => return Ok(Err(Failure::Content(error))),
        };
        let head = ContentHead {
            representation: content.representation,
            rebuilt_because: content.rebuilt_because,
            properties_json: item.properties_json.clone(),
            item: Some(Box::new(item.item.clone())),
        };
        let mime = content.mime.inspect(|piece| {
            if let Ok(piece) = piece {
                let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
                self.bytes_read.fetch_add(length, Ordering::Relaxed);
            }
        });
        let mime = Waits::new(mime, &*self.clock);
        let in_stream = mime.time();
        let start = self.clock.monotonic();
        let export = self
            .exports
            .of(&*self.source, &self.mailbox, &item.item, is_last);
        let stored = self
            .writer
            .store_content_and_export(head, mime, export, previous)
            .await;
        let took = self.clock.monotonic().saturating_sub(start);
        self.timing.stored(took, in_stream.get());
        match stored {
            Ok(stored) => Ok(Ok(stored)),
            Err(StoreContentError::Source(error)) => Ok(Err(Failure::Stream(error))),
            // This one item cannot be stored as it is (it exceeds a limit); the vault is well.
            Err(StoreContentError::Vault(VaultError::Invalid { what })) => {
                let class = FailureClass::ItemPermanent;
                let error = SourceError::new(class, "store content", "not_storable", what);
                Ok(Err(Failure::Content(error)))
            }
            Err(StoreContentError::Vault(error)) => Err(error),
        }
    }
}

enum Failure {
    /// The source gave no content; it has tried again by itself.
    Content(SourceError),
    /// The content broke off.
    Stream(SourceError),
}

fn failed(error: SourceError) -> Taken {
    match judge(error) {
        Verdict::Halt(halt) => Taken::Halt(halt),
        Verdict::Gone => Taken::Gone,
        Verdict::Passing(error) => Taken::Failed(error, true),
        Verdict::Resync(error) | Verdict::Permanent(error) => Taken::Failed(error, false),
    }
}

/// True for a pure move: the source says that neither size nor time of modification differ.
fn is_same_content(item: &SourceItem, previous: &ItemVersion) -> bool {
    let (new, old) = (&item.item, &previous.item);
    new.modified_at.is_some()
        && new.modified_at == old.modified_at
        && new.size_bytes == old.size_bytes
        && new.folder != old.folder
}
