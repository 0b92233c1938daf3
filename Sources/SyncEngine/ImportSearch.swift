import SyncCore

/// Finds the uploads of imports under way in the listings of their table, page by page.
///
/// The uri decides; where the server lists another uri than it answered with (by id or by name, api.md 7.4), the exact
/// name does, and among several of one name one that has not failed: an older try may have left its failure behind.
struct ImportSearch {
    private var open: [String: Delivery] = [:]
    private var candidates: [String: RemoteUpload] = [:]

    init(_ batch: [Delivery]) {
        for delivery in batch {
            if let name = delivery.registration?.name { open[name] = delivery }
        }
    }

    var isDone: Bool { open.isEmpty }

    /// What is certain by its uri.
    mutating func meet(_ page: [RemoteUpload]) -> [(RemoteUpload, Delivery)] {
        var found: [(RemoteUpload, Delivery)] = []
        for upload in page {
            guard let delivery = open[upload.name] else { continue }
            if delivery.registration?.uri == upload.uri {
                open[upload.name] = nil
                candidates[upload.name] = nil
                found.append((upload, delivery))
            } else if candidates[upload.name]?.status.hasFailed ?? true {
                candidates[upload.name] = upload
            }
        }
        return found
    }

    /// At the end of a version: what was met by its name alone.
    mutating func settleByName() -> [(RemoteUpload, Delivery)] {
        let found = candidates.compactMap { name, upload in open.removeValue(forKey: name).map { (upload, $0) } }
        candidates = [:]
        return found
    }

    /// What was found by a request for it.
    mutating func take(_ upload: RemoteUpload, as delivery: Delivery) -> [(RemoteUpload, Delivery)] {
        guard let name = delivery.registration?.name, open[name]?.id == delivery.id else { return [] }
        open[name] = nil
        return [(upload, delivery)]
    }

    /// What no listing held.
    var missing: [Delivery] { Array(open.values) }
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
    var registration: Registration? {
        guard case .importing(let registration) = state.stage else { return nil }
        return registration
    }
}
