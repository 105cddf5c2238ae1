#include "firmware/wire/ms_turn/writer.h"

#include <cstring>

namespace fedge::ms_turn {

Writer& Writer::add_sequence_number(const SequenceNumber& number) {
  const MutableBytes room = make_room(Type::ms_sequence_number, kConnectionIdSize + 4);
  if (room.empty()) return *this;
  std::memcpy(room.data(), number.connection.data(), kConnectionIdSize);
  store_be32(&room[kConnectionIdSize], number.sequence);
  return *this;
}

std::optional<Kind> response_to(Kind request) {
  switch (request) {
    case Kind::allocate_request:
      return Kind::allocate_response;
    case Kind::set_active_destination_request:
      return Kind::set_active_destination_response;
    default:
      return std::nullopt;
  }
}

std::optional<Kind> error_to(Kind request) {
  switch (request) {
    case Kind::allocate_request:
      return Kind::allocate_error;
    case Kind::set_active_destination_request:
      return Kind::set_active_destination_error;
    default:
      return std::nullopt;
  }
}

bool write_data_head(MutableBytes out, const Transaction& transaction, const Endpoint& remote,
                     size_t size) {
  return Writer(out, Kind::data_indication, transaction)
      .add_address(Type::remote_address, remote)
      .end_with_head(Type::data, size);
}

}  // namespace fedge::ms_turn
