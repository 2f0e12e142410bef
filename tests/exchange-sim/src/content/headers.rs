//! The headers that Exchange adds on the way.

use super::draw::Draw;
use super::mime::Writer;
use super::plan::Plan;
use crate::numbers::signed;

/// Received, authentication, threading and X-MS headers.
pub(crate) fn transport_headers(plan: &Plan, writer: &mut Writer) {
    let mut draw = Draw::new(&[plan.key, 0x6865_6164]);
    let mut when = plan.received;
    for hop in 0..3 {
        let server = format!(
            "DB9PR04MB{}.eurprd04.prod.example",
            draw.between(1000, 9999)
        );
        let date = chrono::DateTime::from_timestamp(when, 0).unwrap_or_default();
        writer.text(&format!(
            "Received: from {server} (2603:10a6:10:{:x}::{:x})\r\n by AM0PR0{hop}MB{}.eurprd04.prod.example with HTTPS; {}\r\n",
            draw.below(65_536),
            draw.below(4096),
            draw.between(1000, 9999),
            date.to_rfc2822()
        ));
        when -= signed(draw.below(4));
    }
    let domain = plan.from.address.split('@').nth(1).unwrap_or("sim.example");
    writer.text(&format!(
        "Authentication-Results: spf=pass (sender IP is 192.0.2.{})\r\n smtp.mailfrom={domain}; dkim=pass (signature was verified)\r\n header.d={domain};dmarc=pass action=none header.from={domain};compauth=pass\r\n reason=100\r\n",
        draw.below(255)
    ));
    let index = draw.opaque(22);
    writer.text(&format!("Thread-Index: {index}\r\n"));
    if plan.is_reply {
        let parent = format!("<{}@{domain}>", draw.hex(20));
        writer.text(&format!(
            "References: <{}@{domain}>\r\n {parent}\r\nIn-Reply-To: {parent}\r\n",
            draw.hex(20)
        ));
    }
    if plan.importance == 2 {
        writer.text("Importance: high\r\nX-Priority: 1\r\n");
    }
    if plan.sensitivity == 2 {
        writer.text("Sensitivity: private\r\n");
    }
    let tag = plan.language.tag();
    writer.text(&format!(
        "Accept-Language: {tag}, en-US\r\nContent-Language: {tag}\r\n"
    ));
    let has = if plan.files.is_empty() { "" } else { "yes" };
    writer.text(&format!(
        "X-MS-Has-Attach: {has}\r\nX-MS-Exchange-Organization-SCL: 1\r\nX-MS-TNEF-Correlator:\r\nX-MS-Exchange-Organization-RecordReviewCfmType: 0\r\n"
    ));
    if plan.text_bytes > 2_000 {
        writer.text(&format!(
            "X-MS-PublicTrafficType: Email\r\nX-MS-Office365-Filtering-Correlation-Id: {}\r\nX-Microsoft-Antispam: BCL:0;ARA:13230040|366016|1800799024|376014;\r\n",
            super::draw::guid(&[plan.key, 3])
        ));
        writer.text("X-Microsoft-Antispam-Message-Info:\r\n");
        for _ in 0..(plan.text_bytes / 3_000).clamp(4, 18) {
            writer.text(&format!(" {}\r\n", draw.opaque(54)));
        }
    }
}
