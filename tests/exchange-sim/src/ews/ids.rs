//! Ids as EWS writes them: base64 with `+` and `/`, sensitive to case.

use crate::store::ids;

fn outward(id: String) -> String {
    id.replace('-', "+").replace('_', "/")
}

fn inward(id: &str) -> Option<String> {
    let is_foreign = |letter: char| matches!(letter, '-' | '_') || !letter.is_ascii();
    (!id.contains(is_foreign)).then(|| id.replace('+', "-").replace('/', "_"))
}

/// The id of an item in its folder.
pub(crate) fn item(mailbox: u64, number: u32, joined: u64) -> String {
    outward(ids::ordinary(mailbox, number, joined))
}

/// The number in an item's id, and the change that brought it where the id says it is.
pub(crate) fn parse_item(mailbox: u64, id: &str) -> Option<(u32, u64)> {
    let (number, joined) = ids::parse(mailbox, &inward(id)?)?;
    Some((number, joined?))
}

/// The id of a folder, from its id in the store.
pub(crate) fn folder(id: &str) -> String {
    outward(id.to_owned())
}

/// A folder's id in the store.
pub(crate) fn parse_folder(id: &str) -> Option<String> {
    inward(id)
}

/// The id of an attachment: its item's id and the way to it through nested items.
pub(crate) fn attachment(item: &str, way: &[u32]) -> String {
    let way: Vec<String> = way.iter().map(u32::to_string).collect();
    base64_simd::STANDARD.encode_to_string(format!("{item}|{}", way.join(".")))
}

/// The item's id and the way in an attachment's id.
pub(crate) fn parse_attachment(id: &str) -> Option<(String, Vec<u32>)> {
    let bytes = base64_simd::STANDARD.decode_to_vec(id).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (item, way) = text.split_once('|')?;
    let way: Result<Vec<u32>, _> = way.split('.').map(str::parse).collect();
    Some((item.to_owned(), way.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back_exactly() {
        let id = item(7, 5, 9);
        assert_eq!(parse_item(7, &id), Some((5, 9)));
        assert_eq!(parse_item(7, &id.to_lowercase()), None);
        assert_eq!(parse_item(8, &id), None);
        let nested = attachment(&id, &[3, 1]);
        assert_eq!(parse_attachment(&nested), Some((id, vec![3, 1])));
        assert_eq!(parse_attachment("x"), None);
        assert_eq!(inward("a-b"), None);
    }
}
