//! Pages that the web server gives instead of SOAP.

use bytes::Bytes;

use crate::content::segment::Segment;
use crate::graph::reply::{Content, Reply};

/// An error page of IIS.
pub(crate) fn html(status: u16) -> Reply {
    let title = match status {
        302 => "Object moved",
        401 => "401 - Unauthorized: Access is denied due to invalid credentials.",
        403 => "403 - Forbidden: Access is denied.",
        404 => "404 - File or directory not found.",
        413 => "413 - Request entity too large.",
        503 => "Service Unavailable",
        _ => "Server Error",
    };
    let text = format!(
        "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\" \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd\">\r\n<html xmlns=\"http://www.w3.org/1999/xhtml\"><head><title>{title}</title></head><body><div id=\"header\"><h1>Server Error</h1></div><br><h2>{title}</h2></body></html>\r\n"
    );
    Reply {
        status,
        headers: vec![("Server".to_owned(), "Microsoft-IIS/10.0".to_owned())],
        content: Content::Stream(
            vec![Segment::Text(Bytes::from(text))],
            "text/html".to_owned(),
        ),
    }
}

/// XML.
pub(crate) fn xml(status: u16, segments: Vec<Segment>) -> Reply {
    Reply {
        status,
        headers: Vec::new(),
        content: Content::Stream(segments, "text/xml; charset=utf-8".to_owned()),
    }
}
