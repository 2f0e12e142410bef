//! Lists of items: one page of those that fit a filter.

use serde_json::{Value, json};

use crate::graph::call::Call;
use crate::graph::failure::Failure;
use crate::graph::folders::next_by_skip;
use crate::graph::json::put;
use crate::graph::messages::parse_filter;
use crate::graph::odata::Options;
use crate::graph::reply::Reply;
use crate::store::view::View;
use crate::tenant::Tenant;

/// Answers with one page of `all`.
pub(crate) fn page<T>(
    tenant: &Tenant,
    call: &Call,
    options: &Options,
    all: &[T],
    shown: impl Fn(&T) -> Result<Value, Failure>,
) -> Result<Reply, Failure> {
    let top = match options.top {
        Some(top) => top,
        None => call.page_size(10, 1000)?,
    };
    let values = all
        .iter()
        .skip(options.skip)
        .take(top)
        .map(shown)
        .collect::<Result<Vec<Value>, Failure>>()?;
    let mut page = json!({
        "@odata.context": format!("{}/v1.0/$metadata#Collection", tenant.base_url()),
    });
    if options.count {
        put(&mut page, "@odata.count", json!(all.len()));
    }
    if options.skip.saturating_add(top) < all.len() {
        let next = next_by_skip(tenant, call, options.skip + top);
        put(&mut page, "@odata.nextLink", json!(next));
    }
    put(&mut page, "value", values);
    Ok(Reply::json(page))
}

/// Those of `all` that fit the filter.
pub(crate) fn filtered(
    tenant: &Tenant,
    options: &Options,
    mut all: Vec<View>,
) -> Result<Vec<View>, Failure> {
    if let Some(order) = &options.order_by {
        return Err(Failure::bad(format!("Cannot order by '{order}'.")));
    }
    if let Some(filter) = &options.filter {
        let condition = parse_filter(filter)?;
        all.retain(|view| condition.holds(view, tenant));
    }
    Ok(all)
}
