package message

// A NotifyType says what a Notify payload is about (RFC 7296, Section 3.10.1).
type NotifyType uint16

// Error types, below 16384.
const (
	UnsupportedCriticalPayload NotifyType = 1
	InvalidIKESPI              NotifyType = 4
	InvalidMajorVersion        NotifyType = 5
	InvalidSyntax              NotifyType = 7
	InvalidMessageID           NotifyType = 9
	InvalidSPI                 NotifyType = 11
	NoProposalChosen           NotifyType = 14
	InvalidKEPayload           NotifyType = 17
	AuthenticationFailed       NotifyType = 24
	SinglePairRequired         NotifyType = 34
	NoAdditionalSAs            NotifyType = 35
	InternalAddressFailure     NotifyType = 36
	FailedCPRequired           NotifyType = 37
	TSUnacceptable             NotifyType = 38
	InvalidSelectors           NotifyType = 39
	UnacceptableAddresses      NotifyType = 40
	UnexpectedNATDetected      NotifyType = 41
	TemporaryFailure           NotifyType = 43
	ChildSANotFound            NotifyType = 44
	StateNotFound              NotifyType = 47
)

// Status types, from 16384 on.
const (
	InitialContact            NotifyType = 16384
	SetWindowSize             NotifyType = 16385
	AdditionalTSPossible      NotifyType = 16386
	IPCompSupported           NotifyType = 16387
	NATDetectionSourceIP      NotifyType = 16388
	NATDetectionDestinationIP NotifyType = 16389
	Cookie                    NotifyType = 16390
	UseTransportMode          NotifyType = 16391
	HTTPCertLookupSupported   NotifyType = 16392
	RekeySA                   NotifyType = 16393
	ESPTFCPaddingNotSupported NotifyType = 16394
	NonFirstFragmentsAlso     NotifyType = 16395
	MOBIKESupported           NotifyType = 16396
	AdditionalIP4Address      NotifyType = 16397
	AdditionalIP6Address      NotifyType = 16398
	NoAdditionalAddresses     NotifyType = 16399
	UpdateSAAddresses         NotifyType = 16400
	Cookie2                   NotifyType = 16401
	NoNATsAllowed             NotifyType = 16402
	AuthLifetime              NotifyType = 16403
	MultipleAuthSupported     NotifyType = 16404
	RedirectSupported         NotifyType = 16406
	Redirect                  NotifyType = 16407
	TicketLTOpaque            NotifyType = 16409
	TicketRequest             NotifyType = 16410
	TicketACK                 NotifyType = 16411
	TicketNACK                NotifyType = 16412
	TicketOpaque              NotifyType = 16413
	ChildlessIKEv2Supported   NotifyType = 16418
	EAPOnlyAuthentication     NotifyType = 16417
	FragmentationSupported    NotifyType = 16430
	SignatureHashAlgorithms   NotifyType = 16431
	UsePPK                    NotifyType = 16435
	PPKIdentity               NotifyType = 16436
	NoPPKAuth                 NotifyType = 16437
	IntermediateSupported     NotifyType = 16438
	IP4Allowed                NotifyType = 16439
	IP6Allowed                NotifyType = 16440
	AdditionalKeyExchange     NotifyType = 16441
	firstStatus               NotifyType = 16384
)

// IsError reports whether t is of the error range: in a response such a notify,
// also an unknown one, means that the request failed (RFC 7296, Section 3.10.1).
func (t NotifyType) IsError() bool { return t < firstStatus }

func (t NotifyType) String() string {
	s := t.errorName()
	if !t.IsError() {
		if s = t.statusName(); s == "" {
			s = t.extensionName()
		}
	}
	return name(s, "NOTIFY", uint64(t))
}

func (t NotifyType) errorName() string {
	switch t {
	case UnsupportedCriticalPayload:
		return "UNSUPPORTED_CRITICAL_PAYLOAD"
	case InvalidIKESPI:
		return "INVALID_IKE_SPI"
	case InvalidMajorVersion:
		return "INVALID_MAJOR_VERSION"
	case InvalidSyntax:
		return "INVALID_SYNTAX"
	case InvalidMessageID:
		return "INVALID_MESSAGE_ID"
	case InvalidSPI:
		return "INVALID_SPI"
	case NoProposalChosen:
		return "NO_PROPOSAL_CHOSEN"
	case InvalidKEPayload:
		return "INVALID_KE_PAYLOAD"
	case AuthenticationFailed:
		return "AUTHENTICATION_FAILED"
	case SinglePairRequired:
		return "SINGLE_PAIR_REQUIRED"
	case NoAdditionalSAs:
		return "NO_ADDITIONAL_SAS"
	case InternalAddressFailure:
		return "INTERNAL_ADDRESS_FAILURE"
	case FailedCPRequired:
		return "FAILED_CP_REQUIRED"
	case TSUnacceptable:
		return "TS_UNACCEPTABLE"
	case InvalidSelectors:
		return "INVALID_SELECTORS"
	case UnacceptableAddresses:
		return "UNACCEPTABLE_ADDRESSES"
	case UnexpectedNATDetected:
		return "UNEXPECTED_NAT_DETECTED"
	case TemporaryFailure:
		return "TEMPORARY_FAILURE"
	case ChildSANotFound:
		return "CHILD_SA_NOT_FOUND"
	case StateNotFound:
		return "STATE_NOT_FOUND"
	}
	return ""
}

// statusName knows the status types of RFC 7296 itself.
func (t NotifyType) statusName() string {
	switch t {
	case InitialContact:
		return "INITIAL_CONTACT"
	case SetWindowSize:
		return "SET_WINDOW_SIZE"
	case AdditionalTSPossible:
		return "ADDITIONAL_TS_POSSIBLE"
	case IPCompSupported:
		return "IPCOMP_SUPPORTED"
	case NATDetectionSourceIP:
		return "NAT_DETECTION_SOURCE_IP"
	case NATDetectionDestinationIP:
		return "NAT_DETECTION_DESTINATION_IP"
	case Cookie:
		return "COOKIE"
	case UseTransportMode:
		return "USE_TRANSPORT_MODE"
	case HTTPCertLookupSupported:
		return "HTTP_CERT_LOOKUP_SUPPORTED"
	case RekeySA:
		return "REKEY_SA"
	case ESPTFCPaddingNotSupported:
		return "ESP_TFC_PADDING_NOT_SUPPORTED"
	case NonFirstFragmentsAlso:
		return "NON_FIRST_FRAGMENTS_ALSO"
	}
	return ""
}

// extensionName knows the status types of later RFCs.
func (t NotifyType) extensionName() string {
	switch t {
	case MOBIKESupported:
		return "MOBIKE_SUPPORTED"
	case AdditionalIP4Address:
		return "ADDITIONAL_IP4_ADDRESS"
	case AdditionalIP6Address:
		return "ADDITIONAL_IP6_ADDRESS"
	case NoAdditionalAddresses:
		return "NO_ADDITIONAL_ADDRESSES"
	case UpdateSAAddresses:
		return "UPDATE_SA_ADDRESSES"
	case Cookie2:
		return "COOKIE2"
	case NoNATsAllowed:
		return "NO_NATS_ALLOWED"
	case AuthLifetime:
		return "AUTH_LIFETIME"
	case MultipleAuthSupported:
		return "MULTIPLE_AUTH_SUPPORTED"
	case RedirectSupported:
		return "REDIRECT_SUPPORTED"
	case Redirect:
		return "REDIRECT"
	case ChildlessIKEv2Supported:
		return "CHILDLESS_IKEV2_SUPPORTED"
	case EAPOnlyAuthentication:
		return "EAP_ONLY_AUTHENTICATION"
	case FragmentationSupported:
		return "IKEV2_FRAGMENTATION_SUPPORTED"
	case SignatureHashAlgorithms:
		return "SIGNATURE_HASH_ALGORITHMS"
	case TicketLTOpaque:
		return "TICKET_LT_OPAQUE"
	case TicketRequest:
		return "TICKET_REQUEST"
	case TicketACK:
		return "TICKET_ACK"
	case TicketNACK:
		return "TICKET_NACK"
	case TicketOpaque:
		return "TICKET_OPAQUE"
	case UsePPK:
		return "USE_PPK"
	case PPKIdentity:
		return "PPK_IDENTITY"
	case NoPPKAuth:
		return "NO_PPK_AUTH"
	case IntermediateSupported:
		return "INTERMEDIATE_EXCHANGE_SUPPORTED"
	case IP4Allowed:
		return "IP4_ALLOWED"
	case IP6Allowed:
		return "IP6_ALLOWED"
	case AdditionalKeyExchange:
		return "ADDITIONAL_KEY_EXCHANGE"
	}
	return ""
}
