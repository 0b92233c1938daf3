// What is true of each stage. Every question about a stage is answered here, so that a new stage cannot be forgotten.

extension Stage {
    public var publicState: PublicState {
        switch self {
        case .pending: .queued
        case .opening, .reading, .transferring, .probing, .concluding: .uploading
        case .lookingUp, .posting, .withdrawing: .registering
        case .importing: .importing
        }
    }

    /// Whether a registration of ours may be on the table: from the moment a post was saved as begun.
    public var mayBeRegistered: Bool {
        switch self {
        case .pending, .opening, .reading, .transferring, .probing, .concluding, .lookingUp(_, .beforePost): false
        case .lookingUp(_, .inDoubt), .posting, .importing, .withdrawing: true
        }
    }

    var admission: Admission? {
        switch self {
        // What has its content already is examined without being read.
        case .pending(.fresh), .pending(.examined): .examine
        case .pending(let admission): admission
        case .opening, .reading, .transferring, .probing, .concluding, .lookingUp, .posting, .importing, .withdrawing:
            nil
        }
    }

    /// Whether a wait at this stage is a wait for just this fact to say more.
    func isPatient(with event: DeliveryEvent) -> Bool {
        guard case .importing(let registration) = self, case .importReported(let upload) = event else { return false }
        return upload.status == .completed && upload.lacksProof(for: registration)
    }

    /// Whether the delivery ends with its source: not once a post has begun, for what becomes of the file says nothing
    /// about a request that may have left.
    var needsSource: Bool { readsSource && !mayBeRegistered }

    /// Whether the source is read here, or will be: until the server has every byte and they are settled.
    public var readsSource: Bool {
        switch self {
        case .pending, .opening, .reading, .transferring, .probing, .concluding: true
        case .lookingUp(.inline, .beforePost), .posting(.inline, _): true
        case .lookingUp(.inline, .inDoubt), .lookingUp(.session, _), .posting(.session, _), .importing, .withdrawing:
            false
        }
    }

    /// Where to go on after trouble that decided nothing. After a doubt about bytes the server is asked first; a post
    /// of which nothing left starts again with its look-up, and where that needs the file, with reading it: it may have
    /// changed while it waited.
    var afterTrouble: Stage {
        switch self {
        case .transferring(let session, let progress): .probing(session, progress)
        case .posting(.session(let object), _): .lookingUp(.session(object), .beforePost)
        case .posting(.inline, _), .lookingUp(.inline, .beforePost): .reading
        case .pending, .opening, .reading, .probing, .concluding, .lookingUp(.session, _),
            .lookingUp(.inline, .inDoubt), .importing, .withdrawing:
            self
        }
    }

    var usesSession: Bool { sending != nil }

    /// The session by which bytes are on their way, and how far they have come.
    public var sending: (session: UploadSession, progress: TransferProgress)? {
        switch self {
        case .transferring(let session, let progress), .probing(let session, let progress),
            .concluding(let session, let progress):
            (session, progress)
        case .pending, .opening, .reading, .lookingUp, .posting, .importing, .withdrawing:
            nil
        }
    }

    /// Whether bytes of it are, or may be, on the storage host.
    var hasSentBytes: Bool {
        switch self {
        case .transferring, .probing, .concluding, .lookingUp(.session, _), .posting(.session, _): true
        case .pending, .opening, .reading, .lookingUp(.inline, _), .posting(.inline, _), .importing, .withdrawing:
            false
        }
    }
}

extension Delivery {
    var hasSentBytes: Bool { state.stage?.hasSentBytes ?? false }
}
