//! `FindItem`.

use super::Answer;
use crate::ews::context::{Context, data};
use crate::ews::error::EwsError;
use crate::ews::extended;
use crate::ews::out::Out;
use crate::ews::render::item::{Item, NOT_LISTED};
use crate::ews::render::shape::{Shape, dictionary, element};
use crate::ews::restriction::{fits, is_path, order};
use crate::ews::xml::Node;
use crate::store::mailbox::Mailbox;

/// Entries on one page, at most; more cannot be listed without pages.
const MOST: usize = 1000;

pub(super) fn run(context: &Context, request: &Node) -> Answer {
    let mut shape = Shape::read(request.child("m:ItemShape"))?;
    shape.is_listing = true;
    let refused = |text: &str| EwsError::new("ErrorInvalidPropertyForOperation", text);
    if shape.with_mime || NOT_LISTED.iter().any(|name| shape.names(name)) {
        return Err(refused("The property cannot be returned by this operation.").into());
    }
    if request.child("m:QueryString").is_some() {
        return Err(EwsError::new("ErrorContentIndexingNotEnabled", "There is no index.").into());
    }
    let parents = super::list(request, "m:ParentFolderIds");
    Ok(super::each(context, parents, "", |parent| {
        find(context, request, parent, &shape)
    }))
}

/// A part of a list.
pub(super) struct Page {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) attributes: Vec<(&'static str, String)>,
}

/// The part that a view asks for.
pub(super) fn page(view: Option<&Node>, total: usize) -> Result<Page, EwsError> {
    let number = |name: &str| {
        let text = view.and_then(|view| view.attribute(name));
        text.and_then(|text| text.parse::<usize>().ok())
    };
    let offset = number("Offset").unwrap_or(0);
    let most = number("MaxEntriesReturned").unwrap_or(MOST).min(MOST);
    if view.is_none() && total > MOST {
        return Err(EwsError::new(
            "ErrorExceededFindCountLimit",
            "The request exceeds the number of entries that one call may find.",
        ));
    }
    let is_from_end = view.and_then(|view| view.attribute("BasePoint")) == Some("End");
    let (from, to, is_last, next) = if is_from_end {
        let to = total.saturating_sub(offset);
        let from = to.saturating_sub(most);
        (from, to, from == 0, offset + (to - from))
    } else {
        let from = offset.min(total);
        let to = (from + most).min(total);
        (from, to, to >= total, to)
    };
    let mut attributes = vec![];
    if view.is_some() {
        attributes.push(("IndexedPagingOffset", next.to_string()));
    }
    attributes.push(("TotalItemsInView", total.to_string()));
    attributes.push(("IncludesLastItemInRange", is_last.to_string()));
    Ok(Page {
        from,
        to,
        attributes,
    })
}

fn find(context: &Context, request: &Node, parent: &Node, shape: &Shape) -> Result<Out, EwsError> {
    let (account, folder) = context.folder(parent)?;
    let mailbox = data(&account)?;
    let mut found: Vec<u32> = match request.attribute("Traversal") {
        Some("Shallow") => mailbox.items_in(folder).rev().collect(),
        _ => vec![],
    };
    if let Some(restriction) = request.child("m:Restriction") {
        found.retain(|number| may_fit(&mailbox, *number, restriction));
        let mut kept = vec![];
        for number in found {
            if let Some(item) = Item::new(context, &mailbox, number)
                && fits(restriction, &|path| value(&item, path))?
            {
                kept.push(number);
            }
        }
        found = kept;
    }
    if let Some(view) = request.child("m:CalendarView") {
        found.retain(|number| is_between(context, &mailbox, *number, view));
    }
    if let Some(sort) = request.child("m:SortOrder") {
        found = sorted(context, &mailbox, found, sort)?;
    }
    let is_calendar = request.child("m:CalendarView").is_some();
    let view = request.child("m:IndexedPageItemView");
    let Page {
        from,
        to,
        attributes,
    } = page(
        view,
        if is_calendar {
            found.len().min(MOST)
        } else {
            found.len()
        },
    )?;
    let mut out = context.out();
    if found.is_empty() && context.style.dialect.no_empty_root {
        return Ok(out);
    }
    let attributes: Vec<(&str, &str)> = attributes
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    out.start("m:RootFolder", &attributes).start("t:Items", &[]);
    for number in found.get(from..to).unwrap_or_default() {
        if let Some(item) = Item::new(context, &mailbox, *number) {
            item.write(&mut out, shape)?;
        }
    }
    out.end().end();
    Ok(out)
}

/// Sorts out quickly what cannot have a named property of this value.
fn may_fit(mailbox: &Mailbox, number: u32, restriction: &Node) -> bool {
    let Some(equal) = restriction.child("t:IsEqualTo") else {
        return true;
    };
    let key = equal.child("t:ExtendedFieldURI").map(extended::key);
    let constant = equal.path(&["t:FieldURIOrConstant", "t:Constant"]);
    match (key, constant.and_then(|one| one.attribute("Value"))) {
        (Some(Ok(key)), Some(wanted)) if key.id.contains(" Name ") => {
            let overlay = mailbox.overlays.get(&number);
            let value = overlay.and_then(|overlay| overlay.properties.get(&key.id));
            value.is_some_and(|value| value == wanted)
        }
        _ => true,
    }
}

/// The value of a field of an item, as text.
fn value(item: &Item<'_>, path: &Node) -> Result<Option<String>, EwsError> {
    if path.name == "t:ExtendedFieldURI" {
        return Ok(item.extended(&extended::key(path)?));
    }
    let uri = path.attribute("FieldURI").unwrap_or_default();
    let name = match path.name.as_str() {
        "t:IndexedFieldURI" => dictionary(uri),
        _ => element(uri),
    };
    let Some(node) = item.property(name, &Shape::default()) else {
        return Ok(None);
    };
    if let Some(key) = path.attribute("FieldIndex") {
        let entry = node
            .children
            .iter()
            .find(|entry| entry.attribute("Key") == Some(key));
        return Ok(entry.map(flat));
    }
    if let Some(id) = node.attribute("Id") {
        return Ok(Some(id.to_owned()));
    }
    Ok(Some(flat(&node)))
}

fn flat(node: &Node) -> String {
    if node.children.is_empty() {
        return node.text.clone();
    }
    let all: Vec<String> = node.children.iter().map(flat).collect();
    all.join(";")
}

fn sorted(
    context: &Context,
    mailbox: &Mailbox,
    found: Vec<u32>,
    sort: &Node,
) -> Result<Vec<u32>, EwsError> {
    let fields: Vec<(&Node, bool)> = sort
        .all("t:FieldOrder")
        .filter_map(|field| {
            let path = field.children.iter().find(|one| is_path(one))?;
            Some((path, field.attribute("Order") == Some("Descending")))
        })
        .collect();
    let mut keyed = vec![];
    for number in found {
        let Some(item) = Item::new(context, mailbox, number) else {
            continue;
        };
        let mut keys = vec![];
        for (path, _) in &fields {
            keys.push(value(&item, path)?.unwrap_or_default());
        }
        keyed.push((keys, number));
    }
    keyed.sort_by(|(a, first), (b, second)| {
        let pairs = a.iter().zip(b).zip(&fields);
        let by_field = pairs.map(|((a, b), (_, is_descending))| {
            let order = order(a, b);
            if *is_descending {
                order.reverse()
            } else {
                order
            }
        });
        by_field
            .fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
            .then(first.cmp(second))
    });
    Ok(keyed.into_iter().map(|(_, number)| number).collect())
}

/// Whether a single appointment touches a span of time. Masters of series are not spread out.
fn is_between(context: &Context, mailbox: &Mailbox, number: u32, view: &Node) -> bool {
    let Some(item) = Item::new(context, mailbox, number) else {
        return false;
    };
    let text = |name: &str| item.property(name, &Shape::default()).map(|node| node.text);
    if text("CalendarItemType").as_deref() == Some("RecurringMaster") {
        return false;
    }
    let before = |a: &str, b: Option<&str>| b.is_some_and(|b| order(a, b).is_lt());
    match (text("Start"), text("End"), view.attribute("StartDate")) {
        (Some(start), Some(end), Some(from)) => {
            before(&start, view.attribute("EndDate")) && before(from, Some(&end))
        }
        _ => false,
    }
}
