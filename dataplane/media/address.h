// Addresses as packets are matched by; they stand in session records.
#pragma once

#include "firmware/link/session_address.h"
