//! Folders and items: browsed, found, shown, downloaded. All of it is mail, so all of it is audited.

use std::collections::HashMap;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::Stream;
use http::{HeaderValue, StatusCode, header};
use mailkeep_engine::browse;
use mailkeep_model::{
    Address, FlagStatus, FolderId, Importance, Item, ItemKind, Representation, Sensitivity,
};
use mailkeep_vault::{ItemFilter, ItemVersion, MailboxView, PageToken, VaultError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bodies::{Given, page};
use super::filter::FilterBody;
use super::mailboxes::LATEST;
use crate::auth::Role;
use crate::http::{Audit, Cursor, Endpoint, Nothing, Page, Path, Query, Slot, limit};
use crate::problem::Problem;
use crate::service::Api;

/// Most folders of a search.
const MAX_FOLDERS: usize = 100;
/// Versions that are shown of one item.
const MAX_VERSIONS: usize = 100;

const ITEM: &str = "/v1/mailboxes/{mailbox}/items/{item}";

pub(super) fn endpoints() -> Vec<Endpoint> {
    let role = Role::RestoreOperator;
    vec![
        Endpoint::get("/v1/mailboxes/{mailbox}/folders", "listFolders", role)
            .audited(Audit::View)
            .summary("The folders of a mailbox at a restore point")
            .query::<FoldersQuery>()
            .answers::<Page<FolderBody>>(StatusCode::OK)
            .problem(StatusCode::GONE)
            .to(folders),
        Endpoint::get("/v1/mailboxes/{mailbox}/items", "listItems", role)
            .audited(Audit::View)
            .summary(
                "The items of a mailbox or folder at a restore point, newest first in each folder",
            )
            .query::<ItemsQuery>()
            .answers::<Page<ItemBody>>(StatusCode::OK)
            .problem(StatusCode::GONE)
            .to(list),
        Endpoint::post("/v1/mailboxes/{mailbox}/items/search", "findItems", role)
            .reads_only(Audit::View)
            .summary("Finds items; what is looked for stays out of the address")
            .optional_body::<SearchBody>()
            .answers::<Page<ItemBody>>(StatusCode::OK)
            .problem(StatusCode::GONE)
            .to(search),
        Endpoint::get(ITEM, "getItem", role)
            .audited(Audit::View)
            .summary("The metadata of one item, and its versions")
            .query::<ItemQuery>()
            .answers::<ItemDetailBody>(StatusCode::OK)
            .problem(StatusCode::GONE)
            .to(get),
        Endpoint::get(
            "/v1/mailboxes/{mailbox}/items/{item}/content",
            "getItemContent",
            role,
        )
        .audited(Audit::View)
        .summary("The message as it was at the source, byte for byte (EML)")
        .query::<ItemQuery>()
        .answers_bytes("message/rfc822")
        .problem(StatusCode::GONE)
        .problem(StatusCode::UNPROCESSABLE_ENTITY)
        .to(content),
    ]
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct FoldersQuery {
    /// A restore point: its number, `latest`, or a time (RFC 3339): the last one that is not later.
    #[schemars(length(min = 1, max = 100))]
    snapshot: Option<String>,
    /// Also folders that were removed at the source.
    deleted: bool,
    /// Most entries; 50 unless given.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[schemars(length(min = 1, max = 4000))]
    cursor: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct ItemsQuery {
    /// A restore point: its number, `latest`, or a time (RFC 3339): the last one that is not later.
    #[schemars(length(min = 1, max = 100))]
    snapshot: Option<String>,
    /// Only in the folder of this id, not in those below it.
    #[schemars(length(min = 1, max = 1000))]
    folder: Option<String>,
    /// Also items that were removed at the source.
    deleted: bool,
    /// Most entries; 50 unless given.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[schemars(length(min = 1, max = 4000))]
    cursor: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct ItemQuery {
    /// A restore point: its number, `latest`, or a time (RFC 3339): the last one that is not later.
    #[schemars(length(min = 1, max = 100))]
    snapshot: Option<String>,
}

/// What to look for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "ItemSearch")]
struct SearchBody {
    /// A restore point: its number, `latest`, or a time (RFC 3339): the last one that is not later.
    #[schemars(length(min = 1, max = 100))]
    snapshot: Option<String>,
    /// Only in the folders of these ids, not in those below them.
    #[schemars(length(min = 1, max = 100))]
    folders: Option<Vec<String>>,
    /// Only items that fit.
    filter: FilterBody,
    /// Most entries; 50 unless given.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[schemars(length(min = 1, max = 4000))]
    cursor: Option<String>,
}

/// A folder.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Folder")]
struct FolderBody {
    /// Its id at the source: what `folder` takes elsewhere.
    id: String,
    /// The folder that it is in.
    parent: Option<String>,
    /// Its name, in the language of the mailbox.
    name: String,
    /// Its names from the top.
    path: Vec<String>,
    /// Which well-known folder it is, if it is one: `inbox`, `sent_items`, ...
    well_known: Option<String>,
    /// Hidden from the user's mail client.
    is_hidden: bool,
    /// It was removed at the source.
    is_deleted: bool,
}

/// An item.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Item")]
struct ItemBody {
    /// Its reference in the mailbox.
    id: String,
    /// Id of its folder.
    folder: String,
    /// The names of that folder from the top.
    path: Vec<String>,
    /// Message class.
    class: String,
    /// What kind of item.
    kind: ItemKind,
    /// Subject.
    subject: String,
    /// From.
    from: Address,
    /// To.
    to: Vec<Address>,
    /// Cc.
    cc: Vec<Address>,
    /// Bcc.
    bcc: Vec<Address>,
    /// Submitted.
    sent_at: Option<DateTime<Utc>>,
    /// Delivered.
    received_at: Option<DateTime<Utc>>,
    /// Size that the source reports.
    size_bytes: u64,
    /// `Message-ID`.
    internet_message_id: String,
    /// Read.
    is_read: bool,
    /// Draft.
    is_draft: bool,
    /// The source says that there are attachments.
    has_attachments: bool,
    /// Follow-up flag.
    flag: FlagStatus,
    /// Categories.
    categories: Vec<String>,
    /// Importance.
    importance: Importance,
    /// Sensitivity.
    sensitivity: Sensitivity,
    /// It was removed at the source; this is its last version.
    is_deleted: bool,
    /// Its content is in the vault. False for a gap.
    has_content: bool,
    /// The restore point that brought this version.
    since_snapshot: u64,
}

impl ItemBody {
    fn of(version: ItemVersion, names: &FolderNames) -> Self {
        let has_content = version.content.is_some();
        let Item {
            folder,
            class,
            kind,
            subject,
            from,
            to,
            cc,
            bcc,
            sent_at,
            received_at,
            size_bytes,
            internet_message_id,
            is_read,
            is_draft,
            has_attachments,
            flag,
            categories,
            importance,
            sensitivity,
            ..
        } = version.item;
        Self {
            id: version.key.to_string(),
            path: names.path(&folder),
            folder: folder.0,
            class,
            kind,
            subject,
            from,
            to,
            cc,
            bcc,
            sent_at,
            received_at,
            size_bytes,
            internet_message_id,
            is_read,
            is_draft,
            has_attachments,
            flag: flag.status,
            categories,
            importance,
            sensitivity,
            is_deleted: version.deleted,
            has_content,
            since_snapshot: version.from_sequence,
        }
    }
}

/// An item with what is known of its content.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ItemDetail")]
struct ItemDetailBody {
    /// The item.
    item: ItemBody,
    /// Length of the message; null when there is none.
    content_bytes: Option<u64>,
    /// How the message came to be.
    representation: Option<Representation>,
    /// Its newest versions, the oldest of them first.
    versions: Vec<ItemVersionBody>,
}

/// When a version of an item was there.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ItemVersion")]
struct ItemVersionBody {
    /// The first restore point that shows it.
    from_snapshot: u64,
    /// The first restore point that does not show it any more; null while it is current.
    to_snapshot: Option<u64>,
}

/// Paths of folders by their ids.
struct FolderNames(HashMap<FolderId, Vec<String>>);

impl FolderNames {
    fn of(view: &MailboxView) -> Self {
        let folders = view.folders().iter();
        Self(
            folders
                .map(|folder| (folder.folder.id.clone(), folder.path.0.clone()))
                .collect(),
        )
    }

    fn path(&self, id: &FolderId) -> Vec<String> {
        self.0.get(id).cloned().unwrap_or_default()
    }
}

fn snapshot(wanted: Option<&str>) -> Result<&str, Problem> {
    match wanted {
        None => Ok(LATEST),
        Some(text) if (1..=100).contains(&text.len()) => Ok(text),
        Some(_) => Err(Problem::invalid_request("snapshot has 1 to 100 characters")),
    }
}

/// A mark that pages stay at one restore point with, whatever is stored meanwhile.
struct Mark {
    sequence: u64,
    after: String,
}

impl Mark {
    fn read(text: Option<String>) -> Result<Option<Self>, Problem> {
        let wrong = || Problem::invalid_request("the cursor is none");
        let Some(text) = text else {
            return Ok(None);
        };
        let (sequence, after) = text.split_once(' ').ok_or_else(wrong)?;
        Ok(Some(Self {
            sequence: sequence.parse().map_err(|_| wrong())?,
            after: after.to_owned(),
        }))
    }

    fn token(&self) -> Result<PageToken, Problem> {
        let wrong = |_| Problem::invalid_request("the cursor is none");
        self.after.parse().map_err(wrong)
    }
}

async fn folders(
    State(api): State<Api>,
    Path(mailbox): Path<String>,
    Query(query): Query<FoldersQuery>,
) -> Given<Page<FolderBody>> {
    let most = limit(query.limit)?;
    let at = snapshot(query.snapshot.as_deref())?;
    let cursor = Cursor::of(&["folders", &mailbox, at, &query.deleted.to_string()]);
    let mark = Mark::read(cursor.read(query.cursor.as_deref())?)?;
    let view = view_of(&api, &mailbox, at, mark.as_ref()).await?;
    let passed: usize = match &mark {
        None => 0,
        Some(mark) => {
            let wrong = |_| Problem::invalid_request("the cursor is none");
            mark.after.parse().map_err(wrong)?
        }
    };
    let mut shown = view
        .folders()
        .iter()
        .filter(|folder| query.deleted || !folder.deleted)
        .skip(passed);
    let data: Vec<_> = shown
        .by_ref()
        .take(most)
        .map(|stored| {
            let folder = &stored.folder;
            let well_known = folder
                .well_known
                .and_then(|it| serde_json::to_value(it).ok());
            FolderBody {
                id: folder.id.0.clone(),
                parent: folder.parent.as_ref().map(|parent| parent.0.clone()),
                name: folder.name.clone(),
                path: stored.path.0.clone(),
                well_known: well_known.and_then(|it| it.as_str().map(ToOwned::to_owned)),
                is_hidden: folder.is_hidden,
                is_deleted: stored.deleted,
            }
        })
        .collect();
    let end = passed.saturating_add(data.len());
    let next = shown.next().map(|_| format!("{} {end}", view.sequence()));
    Ok(page(data, &cursor, next))
}

/// The mailbox as of a restore point; for later pages that of the first one.
async fn view_of(
    api: &Api,
    mailbox: &str,
    at: &str,
    mark: Option<&Mark>,
) -> Result<MailboxView, Problem> {
    let fixed = mark.map(|mark| mark.sequence.to_string());
    let at = fixed.as_deref().unwrap_or(at);
    Ok(api.views().open(api.engine(), mailbox, at).await?.view)
}

async fn list(
    State(api): State<Api>,
    Path(mailbox): Path<String>,
    Query(query): Query<ItemsQuery>,
) -> Given<Page<ItemBody>> {
    let most = limit(query.limit)?;
    let filter = ItemFilter {
        folders: query.folder.map(|id| vec![FolderId(id)]),
        include_deleted: query.deleted,
        ..ItemFilter::default()
    };
    let at = snapshot(query.snapshot.as_deref())?;
    items(&api, &mailbox, at, &filter, most, query.cursor.as_deref()).await
}

async fn search(
    State(api): State<Api>,
    Path(mailbox): Path<String>,
    _: Nothing,
    crate::http::Json(body): crate::http::Json<SearchBody>,
) -> Given<Page<ItemBody>> {
    let most = limit(body.limit)?;
    let folders = body.folders;
    if let Some(folders) = &folders
        && !(1..=MAX_FOLDERS).contains(&folders.len())
    {
        return Err(Problem::field("folders", "name 1 to 100 folders"));
    }
    let filter = ItemFilter {
        folders: folders.map(|ids| ids.into_iter().map(FolderId).collect()),
        ..body.filter.into_filter()?
    };
    let at = snapshot(body.snapshot.as_deref())?;
    items(&api, &mailbox, at, &filter, most, body.cursor.as_deref()).await
}

async fn items(
    api: &Api,
    mailbox: &str,
    at: &str,
    filter: &ItemFilter,
    most: usize,
    cursor: Option<&str>,
) -> Given<Page<ItemBody>> {
    let words = serde_json::to_string(filter).map_err(|_| Problem::bug("a filter"))?;
    let list = Cursor::of(&["items", mailbox, at, &words]);
    let mark = Mark::read(list.read(cursor)?)?;
    let view = view_of(api, mailbox, at, mark.as_ref()).await?;
    let known = |id: &FolderId| view.folders().iter().any(|it| it.folder.id == *id);
    if let Some(ids) = &filter.folders
        && !ids.iter().all(known)
    {
        return Err(mailkeep_engine::EngineError::NoSuchFolder {
            wanted: String::new(),
        }
        .into());
    }
    let token = mark.as_ref().map(Mark::token).transpose()?;
    let found = browse::find(&view, None, filter, token.as_ref(), most).await?;
    let names = FolderNames::of(&view);
    let data = found.items.into_iter().map(|it| ItemBody::of(it, &names));
    let next = found.next.map(|next| format!("{} {next}", view.sequence()));
    Ok(page(data.collect(), &list, next))
}

async fn one(
    api: &Api,
    mailbox: &str,
    item: &str,
    query: &ItemQuery,
) -> Result<(MailboxView, ItemVersion), Problem> {
    let at = snapshot(query.snapshot.as_deref())?;
    let view = view_of(api, mailbox, at, None).await?;
    let version = browse::item(&view, item).await?;
    Ok((view, version))
}

async fn get(
    State(api): State<Api>,
    Path((mailbox, item)): Path<(String, String)>,
    Query(query): Query<ItemQuery>,
) -> Given<ItemDetailBody> {
    let (view, version) = one(&api, &mailbox, &item, &query).await?;
    let reader = match version.content {
        Some(_) => Some(view.content(&version).await?),
        None => None,
    };
    let versions = view.versions(version.key).await?;
    let newest = versions.len().saturating_sub(MAX_VERSIONS);
    let versions = versions.iter().skip(newest).map(|version| ItemVersionBody {
        from_snapshot: version.from_sequence,
        to_snapshot: version.to_sequence,
    });
    Ok(Json(ItemDetailBody {
        content_bytes: reader.as_ref().map(|reader| reader.size_bytes()),
        representation: reader.as_ref().map(|reader| reader.representation()),
        versions: versions.collect(),
        item: ItemBody::of(version, &FolderNames::of(&view)),
    }))
}

async fn content(
    State(api): State<Api>,
    Path((mailbox, item)): Path<(String, String)>,
    Query(query): Query<ItemQuery>,
    Extension(slot): Extension<Slot>,
) -> Result<Response, Problem> {
    let (view, version) = one(&api, &mailbox, &item, &query).await?;
    let reader = view.content(&version).await?;
    let size = reader.size_bytes();
    let most = api.settings().max_content_bytes;
    if let Some(most) = most.filter(|most| size > *most) {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "content_too_large",
            format!("the message has {size} bytes, one answer carries {most}; make an export"),
        ));
    }
    let body = Body::from_stream(Message {
        bytes: reader.mime(),
        _slot: slot,
    });
    let name = format!("attachment; filename=\"{}.eml\"", version.key);
    let name = HeaderValue::from_str(&name).map_err(|_| Problem::bug("a file name"))?;
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("message/rfc822"),
        ),
        (header::CONTENT_LENGTH, HeaderValue::from(size)),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, body).into_response())
}

/// A message on its way. It counts as a request until its last byte is sent.
struct Message {
    bytes: futures::stream::BoxStream<'static, Result<Bytes, VaultError>>,
    _slot: Slot,
}

impl Stream for Message {
    type Item = Result<Bytes, VaultError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.bytes.as_mut().poll_next(context)
    }
}
