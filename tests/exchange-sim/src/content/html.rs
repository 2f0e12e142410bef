//! Bodies in the style of Outlook.

use super::draw::Draw;
use super::people::Person;
use super::plan::Plan;
use super::words::{DEPARTMENTS, sentence};
use crate::clock::stamp;
use crate::numbers::{index, signed, wide};

const STYLE: &str = r#"<html xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office" xmlns:w="urn:schemas-microsoft-com:office:word" xmlns:m="http://schemas.microsoft.com/office/2004/12/omml" xmlns="http://www.w3.org/TR/REC-html40">
<head>
<meta http-equiv="Content-Type" content="text/html; charset=utf-8">
<meta name="Generator" content="Microsoft Word 15 (filtered medium)">
<style><!--
/* Font Definitions */
@font-face
	{font-family:"Cambria Math";
	panose-1:2 4 5 3 5 4 6 3 2 4;}
@font-face
	{font-family:Aptos;}
/* Style Definitions */
p.MsoNormal, li.MsoNormal, div.MsoNormal
	{margin:0cm;
	font-size:11.0pt;
	font-family:"Aptos",sans-serif;
	mso-ligatures:standardcontextual;
	mso-fareast-language:EN-US;}
span.EmailStyle17
	{mso-style-type:personal-compose;
	font-family:"Aptos",sans-serif;
	color:windowtext;}
@page WordSection1
	{size:612.0pt 792.0pt;
	margin:70.85pt 70.85pt 2.0cm 70.85pt;}
div.WordSection1
	{page:WordSection1;}
--></style>
</head>
"#;

/// The HTML body of a message.
pub(crate) fn html_body(plan: &Plan) -> String {
    let mut draw = body_draw(plan);
    let target = index(plan.text_bytes * 2 / 3);
    let mut out = String::with_capacity(target + 4096);
    let tag = plan.language.tag();
    if target > 3_000 {
        out.push_str(STYLE);
    } else {
        out.push_str("<html><head><meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\"></head>\r\n");
    }
    out.push_str(&format!(
        "<body lang=\"{tag}\" link=\"#467886\" vlink=\"#96607D\" style=\"word-wrap:break-word\">\r\n<div class=\"WordSection1\">\r\n"
    ));
    if plan.version > 0 {
        out.push_str(&format!(
            "<p class=\"MsoNormal\">Edited, version {}<o:p></o:p></p>\r\n",
            plan.version
        ));
    }
    paragraphs(&mut draw, plan, target / 2, &mut out);
    signature(&mut draw, plan, &mut out);
    let mut when = plan.sent;
    while out.len() < target {
        when -= signed(draw.between(600, 200_000));
        let writer = plan.to.first().unwrap_or(&plan.from);
        quoted_header(plan, writer, when, &mut out);
        let until = target.min(out.len() + 6_000);
        paragraphs(&mut draw, plan, until, &mut out);
        if draw.one_in(5) {
            table(&mut draw, &mut out);
        }
    }
    out.push_str("</div>\r\n</body>\r\n</html>\r\n");
    out
}

/// The plain text body of a message.
pub(crate) fn text_body(plan: &Plan, target: u64) -> String {
    let mut draw = body_draw(plan);
    let mut out = String::new();
    if plan.version > 0 {
        out.push_str(&format!("Edited, version {}\r\n\r\n", plan.version));
    }
    while wide(out.len()) < target {
        let from = out.len();
        for _ in 0..draw.between(1, 4) {
            sentence(&mut draw, plan.language, &mut out);
        }
        wrap(&mut out, from);
        out.push_str("\r\n\r\n");
    }
    out
}

fn body_draw(plan: &Plan) -> Draw {
    Draw::new(&[plan.key, 0x626f_6479, u64::from(plan.version)])
}

/// Breaks the text behind `from` into lines of about 72 characters.
fn wrap(out: &mut String, from: usize) {
    let text = out.split_off(from);
    let mut width = 0;
    for word in text.split_inclusive(' ') {
        if width + word.len() > 72 && width > 0 {
            out.push_str("\r\n");
            width = 0;
        }
        width += word.len();
        out.push_str(word);
    }
}

fn paragraphs(draw: &mut Draw, plan: &Plan, until: usize, out: &mut String) {
    loop {
        out.push_str("<p class=\"MsoNormal\"><span lang=\"");
        out.push_str(plan.language.tag());
        out.push_str("\" style=\"mso-fareast-language:EN-US\">");
        for _ in 0..draw.between(1, 4) {
            sentence(draw, plan.language, out);
        }
        out.push_str("<o:p></o:p></span></p>\r\n<p class=\"MsoNormal\"><o:p>&nbsp;</o:p></p>\r\n");
        if out.len() >= until {
            return;
        }
    }
}

fn signature(draw: &mut Draw, plan: &Plan, out: &mut String) {
    out.push_str(&format!(
        "<p class=\"MsoNormal\"><b>{}</b><br>{}<br><a href=\"mailto:{}\">{}</a><o:p></o:p></p>\r\n",
        escape(&plan.from.name),
        escape(draw.word(DEPARTMENTS)),
        plan.from.address,
        plan.from.address
    ));
    for file in &plan.files {
        if let Some(id) = &file.content_id {
            out.push_str(&format!(
                "<p class=\"MsoNormal\"><img width=\"160\" height=\"48\" style=\"width:1.6666in;height:.5in\" id=\"Picture_x0020_1\" src=\"cid:{id}\" alt=\"logo\"><o:p></o:p></p>\r\n"
            ));
        }
    }
}

fn quoted_header(plan: &Plan, writer: &Person, when: i64, out: &mut String) {
    out.push_str(&format!(
        "<div style=\"border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm\">\r\n<p class=\"MsoNormal\"><b>From:</b> {} &lt;{}&gt;<br>\r\n<b>Sent:</b> {}<br>\r\n<b>To:</b> {}<br>\r\n<b>Subject:</b> {}<o:p></o:p></p>\r\n</div>\r\n",
        escape(&writer.name),
        writer.address,
        stamp(when),
        escape(&plan.from.name),
        escape(&plan.subject)
    ));
}

fn table(draw: &mut Draw, out: &mut String) {
    out.push_str("<table class=\"MsoTableGrid\" border=\"1\" cellspacing=\"0\" cellpadding=\"0\" style=\"border-collapse:collapse;border:none\">\r\n");
    for _ in 0..draw.between(2, 8) {
        out.push_str("<tr>");
        for _ in 0..4 {
            out.push_str(&format!(
                "<td width=\"150\" valign=\"top\" style=\"width:112.7pt;border:solid windowtext 1.0pt;padding:0cm 5.4pt 0cm 5.4pt\"><p class=\"MsoNormal\">{}<o:p></o:p></p></td>",
                draw.below(1_000_000)
            ));
        }
        out.push_str("</tr>\r\n");
    }
    out.push_str("</table>\r\n");
}

/// Escapes text for HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
