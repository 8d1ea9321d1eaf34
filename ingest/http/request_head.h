/* request_head: is what civetweb made of a request's head all that was sent?
 *
 * civetweb 1.15 takes lines that end in a bare LF, drops white space before a header's
 * colon, skips white space in the request line, and stops without a word at the first
 * line it cannot read (a folded line, one that begins with ':') and after 64 headers: a
 * Content-Length behind that is ignored and the body taken for the next request. A proxy
 * in front may read the same bytes otherwise, which is how requests are smuggled.
 *
 * It cuts its own buffer in place: each end of a word or line becomes NULs, nothing is
 * moved. So the gaps between the pieces show what stood there. Should another version
 * parse differently, every request is refused, which no test can miss. Pure.
 */
#ifndef INGEST_HTTP_REQUEST_HEAD_H
#define INGEST_HTTP_REQUEST_HEAD_H

struct mg_request_info;

/* NULL, or (static text) why the request must be refused with 400 and the connection
 * closed. Valid for a request that civetweb has just parsed. */
const char *request_head_fault(const struct mg_request_info *info);

#endif
