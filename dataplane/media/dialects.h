// The TURN and the MS-TURN server of one worker as the one handler that a station asks.
#pragma once

#include "dataplane/media/ms_turn_server.h"
#include "dataplane/media/turn_server.h"
#include "firmware/wire/ms_turn/message.h"

namespace fedge::media {

class Dialects : public StunHandler {
 public:
  // Both outlive it.
  Dialects(TurnServer& turn, MsTurnServer& ms_turn) : turn_(turn), ms_turn_(ms_turn) {}

  size_t on_stun(Request& request, const Plan& plan, Instant now) override {
    if (ms_turn::looks_like_ms_turn(request.message)) return ms_turn_.on_stun(request, plan, now);
    return turn_.on_stun(request, plan, now);
  }

 private:
  TurnServer& turn_;
  MsTurnServer& ms_turn_;
};

}  // namespace fedge::media
