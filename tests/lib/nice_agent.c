/* An ICE agent of libnice, played by lines: the independent client of the relay in tests.
 *
 *   nice_agent COMPATIBILITY controlling|controlled SERVER PORT USER PASSWORD [relay]
 *
 * COMPATIBILITY: rfc5245, oc2007, oc2007r2. With "relay" only relayed candidates are used.
 *
 * It says                                   and understands
 *   local UFRAG PASSWORD                      remote UFRAG PASSWORD
 *   candidate TYPE FOUNDATION PRIORITY ADDRESS PORT UFRAG PASSWORD   (the same)
 *   gathered                                  check
 *   state NAME, pair LOCAL REMOTE             send TEXT
 *   got TEXT                                  quit
 */
#include <nice/agent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMPONENT = 1 };

static NiceAgent* agent;
static guint stream;
static GMainLoop* loop;
static GSList* remotes;

static const char* kTypes[] = {"host", "srflx", "prflx", "relay"};

static void say(const char* format, ...) G_GNUC_PRINTF(1, 2);
static void say(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  putchar('\n');
  fflush(stdout);
}

static const char* word(const char* text) { return text != NULL && *text != 0 ? text : "-"; }
static char* unword(const char* text) { return strcmp(text, "-") == 0 ? NULL : g_strdup(text); }

static void on_gathered(NiceAgent* a, guint stream_id, gpointer data) {
  gchar *ufrag = NULL, *password = NULL;
  (void)data;
  nice_agent_get_local_credentials(a, stream_id, &ufrag, &password);
  say("local %s %s", word(ufrag), word(password));
  GSList* candidates = nice_agent_get_local_candidates(a, stream_id, COMPONENT);
  for (GSList* i = candidates; i != NULL; i = i->next) {
    const NiceCandidate* c = i->data;
    gchar address[NICE_ADDRESS_STRING_LEN];
    if (c->transport != NICE_CANDIDATE_TRANSPORT_UDP) continue;
    nice_address_to_string(&c->addr, address);
    say("candidate %s %s %u %s %u %s %s", kTypes[c->type], word(c->foundation), c->priority,
        address, nice_address_get_port(&c->addr), word(c->username), word(c->password));
  }
  g_slist_free_full(candidates, (GDestroyNotify)nice_candidate_free);
  say("gathered");
}

static void say_pair(NiceAgent* a) {
  NiceCandidate *local, *remote;
  gchar from[NICE_ADDRESS_STRING_LEN], to[NICE_ADDRESS_STRING_LEN];
  if (!nice_agent_get_selected_pair(a, stream, COMPONENT, &local, &remote)) return;
  nice_address_to_string(&local->addr, from);
  nice_address_to_string(&remote->addr, to);
  say("pair %s:%s:%u %s:%s:%u", kTypes[local->type], from, nice_address_get_port(&local->addr),
      kTypes[remote->type], to, nice_address_get_port(&remote->addr));
}

static void on_state(NiceAgent* a, guint stream_id, guint component, guint state, gpointer data) {
  (void)stream_id, (void)component, (void)data;
  say("state %s", nice_component_state_to_string(state));
  if (state == NICE_COMPONENT_STATE_READY) say_pair(a);
}

static void on_data(NiceAgent* a, guint stream_id, guint component, guint size, gchar* octets,
                    gpointer data) {
  (void)a, (void)stream_id, (void)component, (void)data;
  say("got %.*s", (int)size, octets);
}

static void add_remote(char** words) {
  NiceCandidateType type = NICE_CANDIDATE_TYPE_HOST;
  while (strcmp(kTypes[type], words[1]) != 0)
    if (++type > NICE_CANDIDATE_TYPE_RELAYED) exit(2);
  NiceCandidate* c = nice_candidate_new(type);
  c->component_id = COMPONENT;
  c->stream_id = stream;
  c->transport = NICE_CANDIDATE_TRANSPORT_UDP;
  g_strlcpy(c->foundation, words[2], sizeof c->foundation);
  c->priority = (guint32)strtoul(words[3], NULL, 10);
  if (!nice_address_set_from_string(&c->addr, words[4])) exit(2);
  nice_address_set_port(&c->addr, (guint)atoi(words[5]));
  c->username = unword(words[6]);
  c->password = unword(words[7]);
  remotes = g_slist_append(remotes, c);
}

static gboolean on_line(GIOChannel* input, GIOCondition condition, gpointer data) {
  gchar* line = NULL;
  (void)condition, (void)data;
  if (g_io_channel_read_line(input, &line, NULL, NULL, NULL) != G_IO_STATUS_NORMAL) {
    g_main_loop_quit(loop);
    return FALSE;
  }
  g_strchomp(line);
  char** words = g_strsplit(line, " ", 8);
  const guint count = g_strv_length(words);
  if (count == 3 && strcmp(words[0], "remote") == 0) {
    if (strcmp(words[1], "-") != 0)
      nice_agent_set_remote_credentials(agent, stream, words[1], words[2]);
  } else if (count == 8 && strcmp(words[0], "candidate") == 0) {
    add_remote(words);
  } else if (count == 1 && strcmp(words[0], "check") == 0) {
    nice_agent_set_remote_candidates(agent, stream, COMPONENT, remotes);
  } else if (count > 1 && strcmp(words[0], "send") == 0) {
    const char* text = line + strlen("send ");
    nice_agent_send(agent, stream, COMPONENT, (guint)strlen(text), text);
  } else if (strcmp(line, "quit") == 0) {
    g_main_loop_quit(loop);
  } else {
    fprintf(stderr, "not understood: %s\n", line);
    exit(2);
  }
  g_strfreev(words);
  g_free(line);
  return TRUE;
}

static void on_closed(GObject* source, GAsyncResult* result, gpointer data) {
  (void)source, (void)result, (void)data;
  g_main_loop_quit(loop);
}

int main(int argc, char** argv) {
  if (argc < 7) {
    fprintf(stderr, "the head of nice_agent.c says how it is called\n");
    return 2;
  }
  const gboolean is_rfc = strcmp(argv[1], "rfc5245") == 0;
  const NiceCompatibility compatibility = is_rfc ? NICE_COMPATIBILITY_RFC5245
                                          : strcmp(argv[1], "oc2007r2") == 0
                                              ? NICE_COMPATIBILITY_OC2007R2
                                              : NICE_COMPATIBILITY_OC2007;
  loop = g_main_loop_new(NULL, FALSE);
  agent = nice_agent_new_full(g_main_loop_get_context(loop), compatibility,
                              NICE_AGENT_OPTION_REGULAR_NOMINATION);
  g_object_set(agent, "controlling-mode", strcmp(argv[2], "controlling") == 0, "upnp", FALSE,
               "ice-tcp", FALSE, "force-relay", argc > 7 && strcmp(argv[7], "relay") == 0, NULL);
  g_signal_connect(agent, "candidate-gathering-done", G_CALLBACK(on_gathered), NULL);
  g_signal_connect(agent, "component-state-changed", G_CALLBACK(on_state), NULL);
  stream = nice_agent_add_stream(agent, 1);
  if (!nice_agent_set_relay_info(agent, stream, COMPONENT, argv[3], (guint)atoi(argv[4]), argv[5],
                                 argv[6], NICE_RELAY_TYPE_TURN_UDP)) {
    fprintf(stderr, "the relay was refused\n");
    return 2;
  }
  nice_agent_attach_recv(agent, stream, COMPONENT, g_main_loop_get_context(loop), on_data, NULL);

  GIOChannel* input = g_io_channel_unix_new(0);
  g_io_add_watch(input, G_IO_IN | G_IO_HUP, on_line, NULL);
  if (!nice_agent_gather_candidates(agent, stream)) {
    fprintf(stderr, "nothing to gather\n");
    return 2;
  }
  g_main_loop_run(loop);
  /* Gives the allocation back. */
  nice_agent_close_async(agent, on_closed, NULL);
  g_main_loop_run(loop);
  return 0;
}
