/* socket_of: the socket of a civetweb connection, which its public interface does not
 * give away.
 *
 * Found by its two addresses among the process's open files, so it costs some hundred
 * system calls: once a connection, and only where somebody else than its worker must
 * write to it or end its reading. Any thread, while the connection cannot be closed.
 */
#ifndef INGEST_HTTP_SOCKET_OF_H
#define INGEST_HTTP_SOCKET_OF_H

struct mg_connection;

/* The descriptor, or -1 when there is none. */
int socket_of(const struct mg_connection *connection);

#endif
