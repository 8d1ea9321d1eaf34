/* run: builds the loader, runs it until it is told to stop, and takes it down. */
#include "loader/commands/commands.h"
#include "loader/commands/parts.h"

#include "common/service/admin.h"
#include "common/service/log.h"
#include "common/service/shutdown.h"

/* What the live loader has beside the parts. */
struct loader {
    struct parts parts;
    char **accept_gap, **accept_new_log;
    struct admin *admin;
};

static const char *const *constant(char *const *list)
{
    return (const char *const *)list;
}

static bool always_ready(void *context, const char **out_reason)
{
    (void)context;
    (void)out_reason;
    return !shutdown_is_requested();
}

static bool build(struct loader *l, const struct loader_options *o, struct error *err)
{
    struct parts_setup parts = { .options = o };
    l->accept_gap = loader_options_list(o->accept_gap);
    l->accept_new_log = loader_options_list(o->accept_new_log);
    if (!parts_build(&l->parts, &parts, err)) {
        return false;
    }
    struct admin_setup admin = { .listen = o->admin_listen,
                                 .metrics = loader_metrics_registry(l->parts.metrics),
                                 .is_ready = always_ready };
    return admin_start(&admin, &l->admin, err);
}

static void take_down(struct loader *l)
{
    admin_stop(l->admin); /* it reads the parts' metrics */
    parts_take_down(&l->parts);
    loader_options_free_list(l->accept_gap);
    loader_options_free_list(l->accept_new_log);
}

static enum consumer_end load(struct loader *l, const struct loader_options *o)
{
    struct consumer_setup setup = {
        .stream = &l->parts.stream,
        .writer = &l->parts.writer,
        .context = parts_batch_context(&l->parts),
        .limits = { .batch_rows = o->batch_rows,
                    .batch_bytes = o->batch_bytes,
                    .batch_age_ms = o->batch_age_ms },
        .accept_gap = constant(l->accept_gap),
        .accept_new_log = constant(l->accept_new_log),
        .metrics = l->parts.metrics,
        .open_again = parts_open_again,
        .open_context = &l->parts,
    };
    struct consumer *consumer = consumer_new(&setup);
    while (!shutdown_is_requested() && consumer_turn(consumer)) {
    }
    return consumer_finish(consumer);
}

int command_run(const struct command_call *call)
{
    const struct loader_options *o = call->config;
    struct loader l = { .admin = NULL };
    struct error err;
    int code = EXIT_FAILED;
    log_configure((enum log_level)o->log_level, (enum log_format)o->log_format);
    options_log(&call->program->options, call->config);
    if (!shutdown_start(&err) || !build(&l, o, &err)) {
        log_failure(LOG_ERROR, "loader_not_started", &err);
        take_down(&l);
        return err.class == ERROR_INVALID ? EXIT_USAGE : EXIT_FAILED;
    }
    log_info("loader_started", log_text("version", BACKSTITCH_VERSION),
             log_text("group", o->group), log_text("admin", o->admin_listen));
    switch (load(&l, o)) {
    case CONSUMER_STOPPED:
        code = EXIT_DONE;
        break;
    case CONSUMER_WORK_LEFT:
        code = EXIT_WORK_LEFT;
        break;
    case CONSUMER_FAILED:
        code = EXIT_FAILED;
        break;
    }
    take_down(&l);
    log_info("loader_stopped", log_int("exit_code", code));
    return code;
}
