import SyncCore

/// Finds the uploads of imports under way in the listings of their table, page by page.
///
/// The uri decides; where the server lists another uri than it answered with (by id or by name, api.md 7.4), the exact
/// name does, and among several of one name one that has not failed: an older try may have left its failure behind. An
/// adopted upload with a name of somebody else's is known by its uri alone: that name is not made of its content.
struct ImportSearch {
    /// By name and uri. Several deliveries may bear one name: those of somebody else's uploads in several versions.
    private var open: [String: [Delivery]] = [:]
    private var candidates: [String: RemoteUpload] = [:]

    init(_ batch: [Delivery]) {
        for delivery in batch {
            if let name = delivery.registration?.name { open[name, default: []].append(delivery) }
        }
    }

    var isDone: Bool { open.isEmpty }

    /// What is certain by its uri.
    mutating func meet(_ page: [RemoteUpload]) -> [(RemoteUpload, Delivery)] {
        var found: [(RemoteUpload, Delivery)] = []
        for upload in page {
            guard let named = open[upload.name] else { continue }
            if let delivery = named.first(where: { $0.registration?.uri == upload.uri }) {
                found += take(upload, as: delivery)
            } else if candidates[upload.name]?.status.hasFailed ?? true {
                candidates[upload.name] = upload
            }
        }
        return found
    }

    /// At the end of a version: what was met by its name alone.
    mutating func settleByName() -> [(RemoteUpload, Delivery)] {
        let met = candidates
        candidates = [:]
        return met.flatMap { name, upload in
            (open[name] ?? []).filter(\.isKnownByName).flatMap { take(upload, as: $0) }
        }
    }

    /// What was found by a request for it.
    mutating func take(_ upload: RemoteUpload, as delivery: Delivery) -> [(RemoteUpload, Delivery)] {
        guard let name = delivery.registration?.name, var named = open[name],
            let index = named.firstIndex(where: { $0.id == delivery.id })
        else { return [] }
        named.remove(at: index)
        open[name] = named.isEmpty ? nil : named
        if named.isEmpty { candidates[name] = nil }
        return [(upload, delivery)]
    }

    /// What no listing held.
    var missing: [Delivery] { open.values.flatMap { $0 } }
}

extension RemoteUpload.Status {
    fileprivate var hasFailed: Bool {
        switch self {
        case .failed: true
        case .inProgress, .completed: false
        }
    }
}

extension Delivery {
    /// Whether an upload of the name of its registration is its upload.
    var isKnownByName: Bool {
        registration.map { !$0.isAdopted || bearsOurName($0) } ?? false
    }

    var registration: Registration? {
        guard case .importing(let registration) = state.stage else { return nil }
        return registration
    }
}
