extension Schema {
    /// What is asked when a content becomes known lies in ranges of its own, so that no question passes over the history
    /// of a path or an inode. A row that waits for another one is taken up again by that one.
    static let versionFacts = """
        ALTER TABLE delivery ADD COLUMN behind INTEGER;
        CREATE INDEX deliveryBehind ON delivery (behind) WHERE behind IS NOT NULL;

        -- What a version looked like when its path was last accepted: so its own columns tell of its inode.
        UPDATE delivery SET device = f.device, inode = f.inode, modified = f.modified, changed = f.changed
            FROM file AS f
            WHERE f.id = delivery.file AND f.delivery = delivery.id AND f.device IS NOT NULL AND f.size = delivery.size
                AND delivery.kind = 'delivered' AND (f.device <> delivery.device OR f.inode <> delivery.inode);

        CREATE INDEX deliveryOfPath ON delivery (file, public, remoteTable);
        CREATE INDEX deliveryByContent ON delivery (file, sha256) WHERE sha256 IS NOT NULL;
        DROP INDEX deliveryByInode;
        CREATE INDEX deliveryByInode ON delivery (device, inode, size, file);
        CREATE INDEX deliveryByInodeAndContent ON delivery (device, inode, sha256) WHERE sha256 IS NOT NULL;
        CREATE INDEX deliverySending ON delivery (device, inode, size)
            WHERE kind IN ('transferring', 'probing', 'concluding');
        CREATE INDEX deliveryUnread ON delivery (device, inode, size) WHERE sha256 IS NULL;
        DROP INDEX fileByInode;
        CREATE INDEX fileByInode ON file (device, inode, size) WHERE device IS NOT NULL;
        DROP INDEX settlingByInode;
        CREATE INDEX settlingByInode ON settling (device, inode, size);

        -- What ended unsent may still be there under another name, or come back with the very observation that was
        -- accepted: all its paths settle once more.
        DROP TRIGGER deliveryEndedUnsent;
        CREATE TRIGGER deliveryEndedUnsent AFTER UPDATE OF kind ON delivery
        WHEN NEW.kind IN ('gone', 'superseded') AND OLD.kind <> NEW.kind
        BEGIN
            INSERT INTO settling (mapping, path, device, inode, size, modified, changed, quietRun, quietSince, due,
                    isExisting)
                SELECT mapping, path, device, inode, size, modified, changed, 0, 0, 0,
                    NEW.isExisting = 1 AND NEW.sha256 IS NULL
                FROM file WHERE delivery = NEW.id AND device IS NOT NULL
                ON CONFLICT DO NOTHING;
            UPDATE file SET device = NULL, inode = NULL, size = NULL, modified = NULL, changed = NULL
                WHERE delivery = NEW.id;
        END;
        """
}
