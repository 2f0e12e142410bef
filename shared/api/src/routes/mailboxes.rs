//! The mailboxes of the vault: whose they are, restore points, folders, gaps.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use mailkeep_engine::browse::{self, MailboxEntry};
use mailkeep_model::{Counters, LicenseState, MailboxKind, MailboxOutcome};
use mailkeep_vault::{IndexCounts, MailboxId, Snapshot};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bodies::{Given, PageQuery, page};
use crate::auth::Role;
use crate::http::{Audit, Cursor, Endpoint, Nothing, Page, Path, Query, limit};
use crate::problem::Problem;
use crate::service::Api;

/// The newest restore point.
pub(super) const LATEST: &str = "latest";
/// Mailboxes that one search looks at.
const SEARCHED: usize = 500;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let viewer = Role::Viewer;
    vec![
        Endpoint::get("/v1/mailboxes", "listMailboxes", viewer)
            .summary("The mailboxes of the vault, by id")
            .query::<PageQuery>()
            .answers::<Page<MailboxBody>>(StatusCode::OK)
            .to(list),
        Endpoint::post("/v1/mailboxes/search", "findMailboxes", viewer)
            .reads_only(Audit::No)
            .summary("Finds mailboxes of the vault by their address, name or id at the source")
            .body::<SearchBody>()
            .answers::<Page<MailboxBody>>(StatusCode::OK)
            .to(search),
        Endpoint::get("/v1/mailboxes/{mailbox}", "getMailbox", viewer)
            .summary("One mailbox of the vault, with figures")
            .answers::<MailboxDetailBody>(StatusCode::OK)
            .problem(StatusCode::GONE)
            .to(get),
        Endpoint::get("/v1/mailboxes/{mailbox}/snapshots", "listSnapshots", viewer)
            .summary("The restore points of a mailbox, newest first")
            .query::<PageQuery>()
            .answers::<Page<SnapshotBody>>(StatusCode::OK)
            .problem(StatusCode::GONE)
            .to(snapshots),
        Endpoint::get("/v1/mailboxes/{mailbox}/gaps", "listGaps", viewer)
            .summary("The items that could not be read so far; every run tries them again")
            .query::<PageQuery>()
            .answers::<Page<GapBody>>(StatusCode::OK)
            .problem(StatusCode::GONE)
            .to(gaps),
    ]
}

/// What to look for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "MailboxSearch")]
struct SearchBody {
    /// A part of the address or name, or the id at the source. Case makes no difference.
    #[schemars(length(min = 1, max = 320))]
    text: String,
    /// Most entries; 50 unless given.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[schemars(length(min = 1, max = 4000))]
    cursor: Option<String>,
}

/// A mailbox of the vault.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Mailbox")]
struct MailboxBody {
    /// Its id in the vault.
    id: String,
    /// Whose it is; null when that cannot be read.
    owner: Option<OwnerBody>,
    /// Why that cannot be read: the mailbox was erased, or its record is damaged.
    problem: Option<String>,
}

/// Whose a mailbox is, as it was when it was last backed up.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "MailboxOwner")]
struct OwnerBody {
    /// Tenant or organisation.
    realm: String,
    /// Its id there.
    source_id: String,
    /// Its address.
    address: String,
    /// Its name.
    display_name: String,
    /// What it is used for.
    kind: MailboxKind,
    /// Whether the account may have a mailbox.
    license: LicenseState,
}

impl OwnerBody {
    fn of(realm: &str, profile: &mailkeep_model::MailboxProfile) -> Self {
        Self {
            realm: realm.to_owned(),
            source_id: profile.id.0.clone(),
            address: profile.address.clone(),
            display_name: profile.display_name.clone(),
            kind: profile.kind,
            license: profile.license,
        }
    }
}

impl MailboxBody {
    fn of(entry: MailboxEntry) -> Self {
        let id = entry.id.to_string();
        match entry.details {
            Ok(details) => Self {
                id,
                owner: Some(OwnerBody::of(&details.realm, &details.profile)),
                problem: None,
            },
            Err(problem) => Self {
                id,
                owner: None,
                problem: Some(problem),
            },
        }
    }
}

/// A mailbox with figures as of its newest restore point.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "MailboxDetail")]
struct MailboxDetailBody {
    /// Its id in the vault.
    id: String,
    /// Whose it is.
    owner: OwnerBody,
    /// The number of its newest commit; 0 when nothing is stored.
    snapshot: u64,
    /// When that was made.
    backed_up_at: Option<DateTime<Utc>>,
    /// Figures.
    figures: FiguresBody,
    /// Folders.
    folders: usize,
    /// Items that could not be read so far.
    gaps: usize,
}

/// Figures of a mailbox at a restore point.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "MailboxFigures")]
struct FiguresBody {
    /// Items.
    items: u64,
    /// Versions of items, removed and superseded ones included.
    versions: u64,
    /// Bytes of all stored messages as they were at the source.
    content_bytes: u64,
    /// Bytes that they take in the vault.
    stored_bytes: u64,
}

impl FiguresBody {
    fn of(counts: &IndexCounts) -> Self {
        Self {
            items: counts.items,
            versions: counts.versions,
            content_bytes: counts.content_bytes,
            stored_bytes: counts.stored_bytes,
        }
    }
}

/// A restore point.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Snapshot")]
struct SnapshotBody {
    /// Its number: what `snapshot` takes elsewhere.
    snapshot: u64,
    /// The run that made it.
    run: String,
    /// When it was made.
    at: DateTime<Utc>,
    /// How the run ended in this mailbox: `complete`, `with_gaps`, `stopped` or `failed`.
    outcome: Option<String>,
    /// What the run counted.
    counters: Option<Counters>,
    /// Figures at that time.
    figures: FiguresBody,
}

impl SnapshotBody {
    fn of(snapshot: Snapshot) -> Self {
        let outcome = snapshot.end.as_ref().map(|end| match end.outcome {
            MailboxOutcome::Complete => "complete",
            MailboxOutcome::WithGaps { .. } => "with_gaps",
            MailboxOutcome::Stopped => "stopped",
            MailboxOutcome::Failed { .. } => "failed",
        });
        Self {
            snapshot: snapshot.sequence,
            run: snapshot.run.0,
            at: snapshot.committed_at,
            outcome: outcome.map(ToOwned::to_owned),
            counters: snapshot.end.map(|end| end.counters),
            figures: FiguresBody::of(&snapshot.counts),
        }
    }
}

/// An item that could not be read so far.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Gap")]
struct GapBody {
    /// Its id at the source.
    source_id: String,
    /// Id of the folder that it was seen in.
    folder: String,
    /// What kind of failure.
    class: String,
    /// The service's own code.
    code: String,
    /// How many runs have tried.
    attempts: u32,
    /// When it failed for the first time.
    first_failed_at: DateTime<Utc>,
    /// When it failed for the last time.
    last_failed_at: DateTime<Utc>,
}

fn after_id(mark: Option<String>) -> Result<Option<MailboxId>, Problem> {
    let wrong = |_| Problem::invalid_request("the cursor is none");
    mark.map(|mark| mark.parse().map_err(wrong)).transpose()
}

async fn list(State(api): State<Api>, Query(query): Query<PageQuery>) -> Given<Page<MailboxBody>> {
    let most = limit(query.limit)?;
    let cursor = Cursor::of(&["mailboxes"]);
    let after = after_id(cursor.read(query.cursor.as_deref())?)?;
    let (found, has_more) = browse::mailbox_page(api.engine(), after.as_ref(), most).await?;
    let last = found.last().map(|last| last.id.to_string());
    let mailboxes = found.into_iter().map(MailboxBody::of).collect();
    Ok(page(mailboxes, &cursor, last.filter(|_| has_more)))
}

async fn search(
    State(api): State<Api>,
    _: Nothing,
    crate::http::Json(body): crate::http::Json<SearchBody>,
) -> Given<Page<MailboxBody>> {
    let most = limit(body.limit)?;
    let wanted = body.text.trim().to_lowercase();
    if wanted.is_empty() || body.text.chars().count() > 320 {
        return Err(Problem::field("text", "give 1 to 320 characters"));
    }
    let cursor = Cursor::of(&["find mailboxes", &wanted]);
    let mut after = after_id(cursor.read(body.cursor.as_deref())?)?;
    let mut found = vec![];
    let mut looked_at = 0;
    loop {
        let (entries, has_more) = browse::mailbox_page(api.engine(), after.as_ref(), most).await?;
        looked_at += entries.len();
        for entry in entries {
            after = Some(entry.id.clone());
            let fits = entry.details.as_ref().is_ok_and(|details| {
                let profile = &details.profile;
                profile.address.to_lowercase().contains(&wanted)
                    || profile.display_name.to_lowercase().contains(&wanted)
                    || profile.id.as_str().to_lowercase() == wanted
            });
            if fits {
                found.push(MailboxBody::of(entry));
            }
        }
        if !has_more {
            return Ok(page(found, &cursor, None));
        }
        if !found.is_empty() || looked_at >= SEARCHED {
            let next = after.map(|id| id.to_string());
            return Ok(page(found, &cursor, next));
        }
    }
}

async fn get(
    State(api): State<Api>,
    Path(mailbox): Path<String>,
    _: Nothing,
) -> Given<MailboxDetailBody> {
    let open = api.views().open(api.engine(), &mailbox, LATEST).await?;
    let view = &open.view;
    let newest = view.snapshot(view.sequence()).await?;
    let folders = view.folders().iter().filter(|folder| !folder.deleted);
    Ok(Json(MailboxDetailBody {
        id: open.mailbox.id().to_string(),
        owner: OwnerBody::of(open.mailbox.realm(), open.mailbox.profile()),
        snapshot: view.sequence(),
        backed_up_at: newest.map(|newest| newest.committed_at),
        figures: FiguresBody::of(&view.counts()),
        folders: folders.count(),
        gaps: view.gaps().len(),
    }))
}

async fn snapshots(
    State(api): State<Api>,
    Path(mailbox): Path<String>,
    Query(query): Query<PageQuery>,
) -> Given<Page<SnapshotBody>> {
    let most = limit(query.limit)?;
    let open = api.views().open(api.engine(), &mailbox, LATEST).await?;
    let cursor = Cursor::of(&["snapshots", open.mailbox.id().as_str()]);
    let before = number(cursor.read(query.cursor.as_deref())?)?;
    let found = browse::snapshots(&open.view, false, before, most).await?;
    let last = found.last().map(|last| last.sequence.to_string());
    let next = last.filter(|_| found.len() == most);
    let snapshots = found.into_iter().map(SnapshotBody::of).collect();
    Ok(page(snapshots, &cursor, next))
}

fn number(mark: Option<String>) -> Result<Option<u64>, Problem> {
    let wrong = |_| Problem::invalid_request("the cursor is none");
    mark.map(|mark| mark.parse().map_err(wrong)).transpose()
}

async fn gaps(
    State(api): State<Api>,
    Path(mailbox): Path<String>,
    Query(query): Query<PageQuery>,
) -> Given<Page<GapBody>> {
    let most = limit(query.limit)?;
    let open = api.views().open(api.engine(), &mailbox, LATEST).await?;
    let cursor = Cursor::of(&["gaps", open.mailbox.id().as_str()]);
    let passed = number(cursor.read(query.cursor.as_deref())?)?.unwrap_or(0);
    let passed = usize::try_from(passed).unwrap_or(usize::MAX);
    let all = open.view.gaps();
    let shown = all.iter().skip(passed).take(most).map(|gap| GapBody {
        source_id: gap.item.0.clone(),
        folder: gap.folder.0.clone(),
        class: gap.failure.class.code().to_owned(),
        code: gap.failure.code.clone(),
        attempts: gap.attempts,
        first_failed_at: gap.first_failed_at,
        last_failed_at: gap.last_failed_at,
    });
    let shown: Vec<_> = shown.collect();
    let end = passed.saturating_add(shown.len());
    let next = (end < all.len()).then(|| end.to_string());
    Ok(page(shown, &cursor, next))
}
